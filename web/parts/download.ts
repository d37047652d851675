/** Names of cells, and rows of text, numbers or nothing. */
export interface Sheet {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null | undefined)[])[];
}

// A spreadsheet takes text that begins so for a formula.
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** RFC 4180. */
export function toCsv({ columns, rows }: Sheet): string {
  return [columns, ...rows]
    .map((row) => row.map(cell).join(','))
    .join('\r\n')
    .concat('\r\n');
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const fileName = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '') || 'millrace';

export function saveCsv(sheet: Sheet, title: string): void {
  save(new Blob([toCsv(sheet)], { type: 'text/csv;charset=utf-8' }), `${fileName(title)}.csv`);
}

/** Saves a picture of the first canvas or SVG in an element. */
export async function savePng(element: Element, title: string): Promise<void> {
  const canvas = element.querySelector('canvas') ?? (await painted(element.querySelector('svg.picture')));
  if (canvas === null) return;
  const onGround = document.createElement('canvas');
  [onGround.width, onGround.height] = [canvas.width, canvas.height];
  const ink = onGround.getContext('2d');
  if (ink === null) return;
  ink.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--ground').trim() || '#fff';
  ink.fillRect(0, 0, onGround.width, onGround.height);
  ink.drawImage(canvas, 0, 0);
  const blob = await new Promise<Blob | null>((resolve) => onGround.toBlob(resolve));
  if (blob !== null) save(blob, `${fileName(title)}.png`);
}

/** An SVG that is drawn by the page's style sheet has to take its colours with it. */
async function painted(svg: SVGSVGElement | null): Promise<HTMLCanvasElement | null> {
  if (svg === null) return null;
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const originals = [svg, ...svg.querySelectorAll('*')];
  [copy, ...copy.querySelectorAll('*')].forEach((node, at) => {
    const original = originals[at];
    if (original === undefined) return;
    const { fill, stroke, fontSize, fontFamily, opacity } = getComputedStyle(original);
    const looks = { fill, stroke, 'font-size': fontSize, 'font-family': fontFamily, opacity };
    for (const [name, value] of Object.entries(looks)) node.setAttribute(name, value);
  });
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [Math.ceil(width * 2), Math.ceil(height * 2)];
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}
