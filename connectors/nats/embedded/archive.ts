import { gunzipSync, inflateRawSync } from 'node:zlib';

/** A nats-server is about 20 MB; a release that unpacks to more than this is not one. */
const UNPACKED_LIMIT_BYTES = 256 * 1024 * 1024;
const TAR_BLOCK_BYTES = 512;

/**
 * The content of the first regular file called `fileName`, in whatever folder, of a `.tar.gz`. Entries are
 * looked at, never written by their own names. Throws when the archive is damaged or has no such file.
 */
export function fileFromTarGz(archive: Uint8Array, fileName: string): Buffer {
  const tar = gunzipSync(archive, { maxOutputLength: UNPACKED_LIMIT_BYTES });
  let offset = 0;
  while (offset + TAR_BLOCK_BYTES <= tar.length) {
    const header = tar.subarray(offset, offset + TAR_BLOCK_BYTES);
    if (header.every((byte) => byte === 0)) break;
    checkTarHeader(header);
    const name = header.toString('utf8', 0, 100).replace(/\0.*$/s, '');
    const type = header[156];
    const size_bytes = octal(header, 124, 136);
    const start = offset + TAR_BLOCK_BYTES;
    if (start + size_bytes > tar.length) throw new Error(`the archive is cut off inside ${name}`);
    const isRegularFile = type === 0 || type === 0x30;
    if (isRegularFile && baseName(name) === fileName) return tar.subarray(start, start + size_bytes);
    offset = start + Math.ceil(size_bytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  }
  throw new Error(`the archive has no ${fileName}`);
}

/** As {@link fileFromTarGz}, of a `.zip`, whose central directory at the end says where each file is. */
export function fileFromZip(archive: Uint8Array, fileName: string): Buffer {
  const zip = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end === -1) throw new Error('the archive is no zip file, or is cut off');
  const count = zip.readUInt16LE(end + 10);
  let entry = zip.readUInt32LE(end + 16);
  for (let i = 0; i < count; i++) {
    if (zip.readUInt32LE(entry) !== 0x02014b50) throw new Error('the zip file has a broken directory');
    const nameLength = zip.readUInt16LE(entry + 28);
    const name = zip.toString('utf8', entry + 46, entry + 46 + nameLength);
    if (baseName(name) === fileName) return zipEntry(zip, entry);
    entry += 46 + nameLength + zip.readUInt16LE(entry + 30) + zip.readUInt16LE(entry + 32);
  }
  throw new Error(`the archive has no ${fileName}`);
}

function zipEntry(zip: Buffer, entry: number): Buffer {
  const method = zip.readUInt16LE(entry + 10);
  const packed_bytes = zip.readUInt32LE(entry + 20);
  const local = zip.readUInt32LE(entry + 42);
  // The local header's name and extra field may have other lengths than the directory's.
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
  const packed = zip.subarray(start, start + packed_bytes);
  if (packed.length < packed_bytes) throw new Error('the zip file is cut off');
  if (method === 0) return packed;
  if (method === 8) return inflateRawSync(packed, { maxOutputLength: UNPACKED_LIMIT_BYTES });
  throw new Error(`the zip file uses compression method ${method}, which is not supported`);
}

function checkTarHeader(header: Buffer): void {
  let sum = 0;
  // The checksum field itself counts as eight spaces.
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] ?? 0);
  if (sum !== octal(header, 148, 156)) throw new Error('the archive has a damaged tar header');
}

function octal(header: Buffer, start: number, end: number): number {
  const text = header.toString('latin1', start, end).replace(/[\0 ]+/g, '');
  if (!/^[0-7]*$/.test(text)) throw new Error('the archive has a damaged tar header');
  return Number.parseInt(text || '0', 8);
}

function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}
