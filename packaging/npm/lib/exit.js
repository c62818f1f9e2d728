'use strict';

// What happens when the process ends: every stream gets the chance to send what it has.

const { isMainThread } = require('node:worker_threads');
const { now } = require('./clock');

/** End the process where nobody listens to them. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/** @type {Set<{ flushAtExit(began: number): void, flushSync(): void }>} */
const streams = new Set();
/** When the exit began. */
let exitBegan;
/** Whether it is us who stop listening to a signal. */
let isOurs = false;

function flushAll(began) {
  for (const stream of streams) {
    stream.flushAtExit(began);
  }
}

function atExit() {
  exitBegan ??= now();
  flushAll(exitBegan);
}

function atException() {
  // The app may have a way on.
  for (const stream of streams) {
    stream.flushSync();
  }
}

// A signal ends a process that does not listen to it, without another word. We listen only while
// nobody else does: whoever does decides what becomes of the process.
function onSignal(signal) {
  if (othersListen(signal)) {
    return;
  }
  flushAll(now());
  ignore(signal);
  process.kill(process.pid, signal);
  // Still here: as process 1 of a container nothing happens by itself.
  settle(signal);
}

function ignore(signal) {
  isOurs = true;
  process.removeListener(signal, onSignal);
  isOurs = false;
}

function othersListen(signal) {
  return process.listeners(signal).some((listener) => listener !== onSignal);
}

function settle(signal) {
  const listening = process.listeners(signal).includes(onSignal);
  const wanted = streams.size > 0 && !othersListen(signal);
  if (wanted && !listening) {
    process.on(signal, onSignal);
  } else if (!wanted && listening) {
    ignore(signal);
  }
}

function onNewListener(name, listener) {
  if (SIGNALS.includes(name) && listener !== onSignal) {
    // Not before it is there: the last one to go takes the signal's watcher with it.
    process.nextTick(settle, name);
  }
}

function onRemovedListener(name) {
  if (SIGNALS.includes(name) && !isOurs) {
    // At once: the app may be about to send itself that signal.
    settle(name);
  }
}

function listen() {
  // Before others: one that throws, or calls process.exit, would be the last.
  process.prependListener('exit', atExit);
  process.on('uncaughtExceptionMonitor', atException);
  if (isMainThread) {
    process.on('newListener', onNewListener);
    process.on('removeListener', onRemovedListener);
    SIGNALS.forEach(settle);
  }
}

function leave() {
  process.removeListener('exit', atExit);
  process.removeListener('uncaughtExceptionMonitor', atException);
  if (isMainThread) {
    process.removeListener('newListener', onNewListener);
    process.removeListener('removeListener', onRemovedListener);
    SIGNALS.forEach(settle);
  }
}

/** From now on the stream is flushed when the process ends. */
function enter(stream) {
  streams.add(stream);
  if (streams.size === 1) {
    listen();
  }
}

function forget(stream) {
  if (streams.delete(stream) && streams.size === 0) {
    leave();
  }
}

/**
 * One for all copies of this package in a process: two that listen to a signal would take each other
 * for the app.
 */
const SHARED = Symbol.for('logagent: exit');
process[SHARED] ??= { enter, forget, began: () => exitBegan };

module.exports = process[SHARED];
