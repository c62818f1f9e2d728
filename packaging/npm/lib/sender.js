'use strict';

// Lines on their way: the buffer, and what becomes of lines that have no room in it.

const { accessSync, constants } = require('node:fs');
const { clearTimeout, later, now, setTimeout, sleep } = require('./clock');
const { FULL, ENDED } = require('./connection');
const { GAP_BYTES_MAX, Gap } = require('./gap');
const { Link, RECONNECT_MS_MIN } = require('./link');
const { Queue } = require('./queue');
const { counted, tellAtEnd, warn } = require('./report');

/** How long a full socket is left alone. */
const FULL_MS_MIN = 1;
const FULL_MS_MAX = 16;
/** How often a gap is told on the standard error. */
const GAP_TOLD_EVERY_MS = 60_000;

/** Why nobody can be reached at `path`, as an error code; nothing where somebody may be. */
function absence(path) {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return error.code;
  }
}

class Sender {
  written = 0;
  writtenBytes = 0;
  dropped = 0;
  droppedBytes = 0;
  gaps = 0;
  fragments = 0;

  #settings;
  #queue = new Queue();
  #gap;
  // Gap records that wait like lines, oldest first, and how many lines are written when each one is.
  #records = [];
  #gapToldAt = -Infinity;
  #turn;
  #fullTimer;
  #fullMs = FULL_MS_MIN;
  #fullAt = 0;
  #isEnding = false;
  #waiting = [];

  /** @param {ReturnType<import('./options').settingsOf>} settings */
  constructor(settings) {
    this.#settings = settings;
    this.link = new Link(settings, {
      onReady: () => this.#write(),
      onEnd: () => this.#startAgain(),
    });
  }

  get buffered() {
    return this.#queue.lines;
  }

  get bufferedBytes() {
    return this.#queue.bytes;
  }

  // Lines in

  /**
   * Takes a line, or drops it where there is no room.
   *
   * @param {string} line with its newline
   * @param {'utf8' | 'latin1'} encoding
   */
  add(line, encoding) {
    if (!this.#hasRoom(line, encoding)) {
      this.#writeSoon();
      if (!this.#hasRoom(line, encoding)) {
        this.drop(Buffer.byteLength(line, encoding));
        return;
      }
    }
    this.#placeGap();
    this.#queue.push(line, encoding);
    this.#schedule();
  }

  /** How many bytes a line may have now. */
  get room() {
    const used = this.#queue.bytes + (this.#gap ? GAP_BYTES_MAX : 0);
    return this.#settings.bufferBytes - used;
  }

  #hasRoom(line, encoding) {
    const { room } = this;
    return 3 * line.length <= room || Buffer.byteLength(line, encoding) <= room;
  }

  /** A line is lost, which is told in its place. */
  drop(bytes) {
    const reason = bytes > this.#settings.bufferBytes ? 'longer than the buffer' : this.#trouble;
    this.#gap ??= new Gap(reason);
    this.#gap.add(bytes);
    this.dropped += 1;
    this.droppedBytes += bytes;
    this.#schedule();
    const time = now();
    if (time - this.#gapToldAt >= GAP_TOLD_EVERY_MS) {
      this.#gapToldAt = time;
      const { bufferBytes, socket } = this.#settings;
      const why = reason === this.#trouble ? this.#troubleInFull : reason;
      warn(`lines for ${socket} are being lost: ${why}, ${bufferBytes} bytes are kept; `
        + 'how many is told in their place', 'LOGAGENT_GAP');
    }
  }

  get #trouble() {
    return this.link.isOpen ? 'not read' : 'no connection';
  }

  get #troubleInFull() {
    const { isOpen, reason } = this.link;
    return isOpen || reason === undefined ? this.#trouble : `${this.#trouble} (${reason})`;
  }

  /** Puts the gap record where the lines are missing, once there is room. */
  #placeGap() {
    if (this.#gap && this.#queue.bytes + GAP_BYTES_MAX <= this.#settings.bufferBytes) {
      const { lines } = this.#gap;
      const bytes = this.#queue.push(this.#gap.toString(), 'latin1');
      this.#records.push({ lines, bytes, writtenAt: this.written + this.#queue.lines });
      this.#gap = undefined;
      this.gaps += 1;
    }
  }

  // Bytes out

  /**
   * The first line goes at once; those that come before the next turn go together. That turn comes
   * also where the process has nothing else to do, which an unref'd immediate would not see to.
   */
  #schedule() {
    if (this.#turn !== undefined) {
      if (this.#queue.hasFullChunk) {
        this.#writeSoon();
      }
      return;
    }
    this.#turn = later(() => {
      this.#turn = undefined;
      this.#placeGap();
      this.#writeUnlessFull();
    }, 0);
    this.#writeUnlessFull();
  }

  #writeUnlessFull() {
    if (this.#fullTimer === undefined) {
      this.#write();
    }
  }

  /** Asks a full socket again, but not all the time. */
  #writeSoon() {
    if (this.#fullTimer === undefined || now() - this.#fullAt >= FULL_MS_MIN) {
      this.#write();
    }
  }

  /** Writes what the kernel takes. Returns FULL, ENDED, or 0 where nothing is left. */
  #write(isUrgent = false) {
    const queue = this.#queue;
    while (!queue.isEmpty) {
      const taken = this.link.write(queue.oldest(), isUrgent);
      if (taken < 0) {
        if (taken === FULL) {
          this.#waitForRoom();
        }
        return taken;
      }
      const lines = queue.take(taken);
      this.link.took(taken, lines);
      this.written += lines;
      this.writtenBytes += taken;
      while (this.#records[0]?.writtenAt <= this.written) {
        this.#records.shift();
      }
      this.#fullMs = FULL_MS_MIN;
      this.#placeGap();
    }
    this.#tellFlushed();
    return 0;
  }

  #waitForRoom() {
    this.#fullAt = now();
    if (this.#fullTimer === undefined) {
      this.#fullTimer = later(() => {
        this.#fullTimer = undefined;
        this.#fullMs = Math.min(2 * this.#fullMs, FULL_MS_MAX);
        this.#write();
      }, this.#fullMs);
    }
  }

  /** The connection has ended: the line that it has taken in part goes again. */
  #startAgain() {
    clearTimeout(this.#fullTimer);
    this.#fullTimer = undefined;
    if (this.#queue.rewind()) {
      this.fragments += 1;
    }
  }

  // Flushing and ending

  /** Calls back when the kernel has taken every line, or nothing more is done for them. */
  whenFlushed(callback) {
    this.#placeGap();
    if (this.#queue.isEmpty) {
      process.nextTick(callback);
      return;
    }
    this.#waiting.push(callback);
    this.#writeSoon();
  }

  #tellFlushed() {
    if (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      waiting.forEach((callback) => process.nextTick(callback));
    }
  }

  /** Writes what the kernel takes now, without waiting. Returns FULL, ENDED, or 0. */
  flushSync() {
    this.#placeGap();
    if (this.#queue.isEmpty) {
      return 0;
    }
    this.link.retryNow();
    return this.#write(true);
  }

  /** Writes everything, with the whole thread waiting for it until `deadline` at most. */
  flushUntil(deadline) {
    const { link } = this;
    for (let result = this.flushSync(); result !== 0; result = this.flushSync()) {
      const left = deadline - now();
      if (left <= 0) {
        return;
      }
      if (!link.wasThere) {
        const why = absence(this.#settings.socket);
        if (why !== undefined) {
          // Where nobody has ever been there is nobody to wait for.
          link.reason = why;
          return;
        }
      }
      if (result === ENDED) {
        link.giveUp();
      }
      sleep(Math.min(left, result === ENDED ? RECONNECT_MS_MIN : FULL_MS_MIN));
    }
  }

  /** Calls back when everything is written, or the time for it is over: then what is left is lost. */
  end(callback) {
    if (this.#isEnding) {
      this.whenFlushed(callback);
      return;
    }
    this.#isEnding = true;
    // It also keeps the process alive until then.
    const over = setTimeout(() => this.#tellFlushed(), this.#settings.exitTimeout);
    this.whenFlushed(() => {
      clearTimeout(over);
      this.#close();
      callback();
    });
  }

  /** Lets go of everything, and tells what is lost with it. */
  #close() {
    clearTimeout(this.#fullTimer);
    clearTimeout(this.#turn);
    this.tellLost(tellAtEnd);
    this.#tellFlushed();
    this.link.close();
  }

  /**
   * What waits now is lost.
   *
   * @param {(text: string, code: string) => void} tell
   */
  tellLost(tell) {
    const { lines, bytes } = this.#queue.clear();
    this.dropped += lines;
    this.droppedBytes += bytes;
    // With those that were dropped before, and of which no gap record tells now.
    let lost = lines + (this.#gap?.lines ?? 0);
    this.#gap = undefined;
    for (const record of this.#records) {
      lost += record.lines - 1;
      this.dropped -= 1;
      this.droppedBytes -= record.bytes;
      this.gaps -= 1;
    }
    this.#records = [];
    if (lost > 0) {
      const { socket, stream } = this.#settings;
      const whose = stream === undefined ? '' : ` (stream ${stream})`;
      tell(`${counted(lost, 'line')} lost, not delivered to ${socket}${whose}: `
        + this.#troubleInFull, 'LOGAGENT_LOST');
    }
  }
}

module.exports = { Sender };
