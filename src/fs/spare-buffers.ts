/** Bytes kept for reuse while nothing is lent. */
const IDLE_SPARE = 8 * 2 ** 20;

/** Buffers lent since a spare one came back, after which its size is no longer in use. */
const SPARE_AGE = 256;

/** Buffers for reuse: a fresh one costs page faults, half a CPU second for each GiB sent. */
export class SpareBuffers {
  /** In the order in which they came back. */
  readonly #kept: { buffer: Buffer<ArrayBuffer>; age: number }[] = [];
  #bytes = 0;
  #taken = 0;

  /** A spare buffer of `bytes`, or a fresh one with any content. */
  take(bytes: number): Buffer<ArrayBuffer> {
    this.#taken++;
    const index = this.#kept.findLastIndex(({ buffer }) => buffer.length === bytes);
    if (index >= 0) return this.#remove(index);
    // A growing upload has no more use for its smaller parts: a fresh buffer takes the place of older ones.
    for (let left = bytes; left > 0 && (this.#kept[0]?.buffer.length ?? left + 1) <= left; )
      left -= this.#drop();
    return Buffer.allocUnsafeSlow(bytes);
  }

  /** Drops what has not been in use for long, and the oldest beyond `room` bytes. */
  trim(room: number): void {
    for (let oldest = this.#kept[0]; oldest !== undefined; oldest = this.#kept[0]) {
      if (this.#bytes <= room && this.#taken - oldest.age <= SPARE_AGE) return;
      this.#drop();
    }
  }

  /** @param idle whether nothing is lent any more: little is kept then */
  keep(buffer: Buffer<ArrayBuffer>, idle: boolean): void {
    this.#kept.push({ buffer, age: this.#taken });
    this.#bytes += buffer.length;
    while (idle && this.#bytes > IDLE_SPARE) this.#drop();
  }

  /**
   * Gives the oldest back to the system at once: as garbage it would stay until V8, which sees little of its own heap
   * used, finds it worth collecting; 800 MiB were measured. Nobody writes to a released buffer any more (`Lease`).
   * @returns its bytes
   */
  #drop(): number {
    const { buffer, length } = this.#remove(0);
    buffer.transfer(0);
    return length;
  }

  #remove(index: number): Buffer<ArrayBuffer> {
    const [removed] = this.#kept.splice(index, 1);
    if (!removed) throw new RangeError('no such buffer');
    this.#bytes -= removed.buffer.length;
    return removed.buffer;
  }
}
