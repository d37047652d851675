import type { TestProject } from 'vitest/node';
import { clearParts, isRecording, mergeParts } from './requests-made.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** No test is left out by its name. */
    wholeFiles: boolean;
  }
}

/** Vitest's global setup: what a run with RECORD_REQUESTS=1 has asked becomes part of the record. */
export default function recordRequests(project: TestProject): () => void {
  project.provide('wholeFiles', project.globalConfig.testNamePattern === undefined);
  if (isRecording) clearParts();
  return () => {
    if (isRecording) mergeParts();
  };
}
