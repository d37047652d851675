/** The versions of Node that it runs on, as `engines` of package.json has them. This file loads on older ones, too. */
export const NODE_VERSIONS = '^20.19.0 || >=22.2.0';

/** Why it does not run on a version of Node; undefined where it does. */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isRight = (major === 20 && minor >= 19) || (major === 22 && minor >= 2) || major > 22;
  if (isRight) return undefined;
  return `Node ${version} does not have what millrace needs: install 20.19 or a newer 20, or 22.2 or newer. [node_unsupported]`;
}
