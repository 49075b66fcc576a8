import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';

/** Bytes gathered before they are written. */
const WRITE_SIZE = 1024 * 1024;

/** A place in a file that is there already. */
export interface Place {
  path: string;
  /** Where the content is to begin, in bytes. */
  offset: number;
}

/** Gathers content in memory and goes over to a file where it becomes too large for that. */
export class Spool {
  readonly #directory: string;
  readonly #inMemory: number;
  readonly #place: Place | undefined;
  #pieces: Buffer[] = [];
  #gathered = 0;
  #position: number;
  #temporary: string | undefined;
  #file: FileHandle | undefined;
  #writing: Promise<void> | undefined;

  /** With a `place` all content is written there; else up to `inMemory` bytes are kept, more go to a new file. */
  constructor(options: { directory: string; inMemory: number; place?: Place | undefined }) {
    this.#directory = options.directory;
    this.#inMemory = options.place ? WRITE_SIZE : options.inMemory;
    this.#place = options.place;
    this.#position = options.place?.offset ?? 0;
  }

  /** Takes bytes. A promise is returned where the caller has to wait for the disk. */
  add(piece: Buffer): Promise<void> | undefined {
    this.#pieces.push(piece);
    this.#gathered += piece.length;
    if (this.#gathered < (this.#file ? WRITE_SIZE : this.#inMemory + 1)) return undefined;
    return this.#flush();
  }

  /** Ends it, and returns the content, or the path of the new file, or undefined where it is in its place. */
  async finish(): Promise<Buffer | string | undefined> {
    if (!this.#file && !this.#place) return Buffer.concat(this.#pieces);
    await this.#flush();
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
    return this.#temporary;
  }

  /** Throws the content away. */
  async discard(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    await this.#file?.close().catch(() => undefined);
    if (this.#temporary) await unlink(this.#temporary).catch(() => undefined);
  }

  /** Starts to write while the next bytes come in; waits for the write before. */
  async #flush(): Promise<void> {
    const pieces = this.#pieces;
    const position = this.#position;
    this.#position += this.#gathered;
    this.#pieces = [];
    this.#gathered = 0;
    this.#file ??= await this.#open();
    await this.#writing;
    this.#writing = writeAll(this.#file, pieces, position);
    // Reported where it is awaited; not before.
    this.#writing.catch(() => undefined);
  }

  #open(): Promise<FileHandle> {
    if (this.#place) return open(this.#place.path, 'r+');
    this.#temporary = `${this.#directory}/${randomUUID()}`;
    return open(this.#temporary, 'wx');
  }
}

async function writeAll(file: FileHandle, pieces: Buffer[], position: number): Promise<void> {
  if (pieces.length === 0) return;
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let { bytesWritten } = await file.writev(pieces, position);
  if (bytesWritten === total) return;
  for (const rest = Buffer.concat(pieces); bytesWritten < total; ) {
    bytesWritten += (await file.write(rest, bytesWritten, total - bytesWritten, position + bytesWritten))
      .bytesWritten;
  }
}
