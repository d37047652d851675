import { join } from 'node:path';
import {
  isClassDeclaration,
  isHeritageClause,
  isInterfaceDeclaration,
  isTypeAliasDeclaration,
  isVariableDeclaration,
  type Node,
} from 'typescript/unstable/ast';
import { API, type Project, type Symbol as Sym, SymbolFlags } from 'typescript/unstable/sync';

/** What the package exports under one name. */
export interface ApiEntry {
  readonly name: string;
  readonly isType: boolean;
  /** Its declarations without bodies and private members, and those that it inherits from and nobody can name. */
  readonly signature: string;
  /** Markdown; empty where none is written. */
  readonly doc: string;
  /** Where it is declared, from the root. */
  readonly file: string;
}

/**
 * Every export of the package, by the declaration files that a user's compiler reads: `dist/index.d.ts` and what it
 * leads to, so that a type which the source leaves to be inferred is there.
 */
export function apiEntries(root: string): readonly ApiEntry[] {
  const face = join(root, 'dist', 'index.d.ts');
  const api = new API({ cwd: root });
  try {
    const project = api.updateSnapshot({ openFiles: [face] }).getDefaultProjectForFile(face);
    const file = project?.program.getSourceFile(face);
    const module = file && project?.checker.getSymbolAtLocation(file);
    if (project === undefined || module === undefined) throw new Error(`${face} is missing: npm run build`);
    const exported = project.checker.getExportsOfModule(module);
    const names = new Set(exported.map(({ name }) => name));
    return exported.map((symbol) => entryOf(project, symbol, names, root));
  } finally {
    api.close();
  }
}

function entryOf(project: Project, symbol: Sym, names: ReadonlySet<string>, root: string): ApiEntry {
  const { checker } = project;
  const target = (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
  const nodes = nodesOf(project, target);
  const [first] = nodes;
  if (first === undefined) throw new Error(`"${symbol.name}" of the package is declared nowhere`);
  const hidden = nodes.flatMap((node) => hiddenParents(project, node, names));
  return {
    name: symbol.name,
    isType: nodes.every((node) => isInterfaceDeclaration(node) || isTypeAliasDeclaration(node)),
    signature: [...nodes, ...hidden].map(declarationText).join('\n'),
    doc: target.getDocumentationComment(checker),
    file: fileOf(target, join(root, 'dist')),
  };
}

const nodesOf = (project: Project, symbol: Sym): readonly Node[] =>
  symbol.declarations.flatMap((handle) => handle.resolve(project) ?? []);

const fileOf = ({ declarations: [first] }: Sym, dist: string): string =>
  first === undefined ? '' : first.path.slice(dist.length + 1).replace(/\.d\.ts$/, '.ts');

/** The classes and interfaces that a declaration extends and that are no exports: their members are its own. */
function hiddenParents(project: Project, node: Node, names: ReadonlySet<string>): readonly Node[] {
  if (!isClassDeclaration(node) && !isInterfaceDeclaration(node)) return [];
  const parents = (node.heritageClauses ?? []).filter(isHeritageClause).flatMap(({ types }) => [...types]);
  return parents.flatMap(({ expression }) => {
    const symbol = project.checker.getSymbolAtLocation(expression);
    if (symbol === undefined || names.has(symbol.name)) return [];
    const target =
      (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : project.checker.getAliasedSymbol(symbol);
    // Those of TypeScript and of packages are known, or have pages of their own.
    const isOurs = target.declarations.every(
      ({ path }) => !path.includes('/node_modules/') && path.includes('/dist/'),
    );
    return isOurs ? nodesOf(project, target) : [];
  });
}

/** As a user may write it: no `export declare`, no private members, two spaces for a step. */
function declarationText(node: Node): string {
  const text = isVariableDeclaration(node) ? `const ${node.getText()};` : withoutPrivate(node);
  return text
    .replace(/^export /, '')
    .replace(/^declare /, '')
    .replaceAll(/import\("[^"]*"\)\./g, '')
    .replaceAll(/^(?: {4})+/gm, (spaces) => ' '.repeat(spaces.length / 2));
}

function withoutPrivate(node: Node): string {
  const text = node.getText();
  if (!isClassDeclaration(node)) return text;
  const start = node.getStart();
  return [...node.members].reverse().reduce((left, member) => {
    if (!/^(#|private |protected )/.test(member.getText())) return left;
    return left.slice(0, member.pos - start) + left.slice(member.end - start);
  }, text);
}
