const MEBIBYTE = 1024 * 1024;

export interface DownloadLimits {
  /** Until the final answer's headers, redirects included. */
  readonly connectTimeoutMs: number;
  /** The longest silence inside the body. */
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  readonly sizeLimitBytes: number;
}

export const DEFAULT_DOWNLOAD_LIMITS: DownloadLimits = {
  // Short, because a machine without internet has to get to the next step in seconds.
  connectTimeoutMs: 8_000,
  idleTimeoutMs: 15_000,
  totalTimeoutMs: 10 * 60_000,
  sizeLimitBytes: 64 * MEBIBYTE,
};

/**
 * Fetches a file into memory, with a progress line when the body begins and about once a second after that.
 * Throws on any status but 2xx, a cut-off body, and whatever passes one of the limits.
 */
export async function download(
  url: string,
  limits: DownloadLimits,
  progress: (line: string) => void,
): Promise<Buffer> {
  const abort = new AbortController();
  const deadline = setTimeout(() => {
    abort.abort(new Error(`not complete after ${limits.totalTimeoutMs} ms`));
  }, limits.totalTimeoutMs);
  let idle = setTimeout(() => {
    abort.abort(new Error(`no answer within ${limits.connectTimeoutMs} ms`));
  }, limits.connectTimeoutMs);
  try {
    const response = await fetch(url, { signal: abort.signal, redirect: 'follow' });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Error(`HTTP ${response.status} ${response.statusText}`.trim());
    }
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const total = Number.isFinite(length) ? ` of ${mebibytes(length)}` : '';
    const chunks: Uint8Array[] = [];
    let size_bytes = 0;
    let shownAt_ms = Number.NEGATIVE_INFINITY;
    for await (const chunk of response.body) {
      clearTimeout(idle);
      idle = setTimeout(() => {
        abort.abort(new Error(`stalled for ${limits.idleTimeoutMs} ms after ${size_bytes} bytes`));
      }, limits.idleTimeoutMs);
      chunks.push(chunk);
      size_bytes += chunk.length;
      if (size_bytes > limits.sizeLimitBytes) {
        throw new Error(`larger than the limit of ${limits.sizeLimitBytes} bytes`);
      }
      if (performance.now() - shownAt_ms >= 1_000) {
        shownAt_ms = performance.now();
        progress(`  ${mebibytes(size_bytes)}${total}`);
      }
    }
    return Buffer.concat(chunks);
  } catch (error) {
    // The reason we gave to abort() says more than the error the stream ends with.
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(idle);
    clearTimeout(deadline);
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}
