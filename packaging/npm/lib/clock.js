'use strict';

// The time, and waiting for it: as they are now, whatever clock an app's tests put in place later, so
// that no line is left behind, and the end of a process never waits for ever.

const { wait } = Atomics;
const { Date, clearTimeout, setTimeout } = globalThis;
const cell = new Int32Array(new SharedArrayBuffer(4));

/** Milliseconds, from anywhere on. */
const now = performance.now.bind(performance);

/** Milliseconds since 1970. */
const wallTime = Date.now.bind(Date);

/** @param {number} time of wallTime() */
function isoOf(time) {
  return new Date(time).toISOString();
}

/**
 * Calls back in `ms`, unless the process has ended before.
 *
 * @param {() => void} work
 * @param {number} ms
 */
function later(work, ms) {
  return setTimeout(work, ms).unref();
}

/**
 * Waits, with the whole thread.
 *
 * @param {number} ms
 */
function sleep(ms) {
  wait(cell, 0, 0, ms);
}

module.exports = { clearTimeout, isoOf, later, now, setTimeout, sleep, wallTime };
