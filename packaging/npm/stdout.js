'use strict';

// node --require logagent/stdout app.js
//
// What this process prints, and what the workers of its cluster print, becomes one write(2) for each
// print, which waits until there is room. By itself Node.js does not wait for pipes and sockets: what
// finds no room is kept, put together to writes that other workers' lines get into, and gone with
// process.exit().

const fs = require('node:fs');
const { Writable } = require('node:stream');
const { isMainThread } = require('node:worker_threads');

const ROOM_MS = 1;
const cell = new Int32Array(new SharedArrayBuffer(4));

function writeAll(descriptor, bytes) {
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(descriptor, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') {
        throw error;
      }
      Atomics.wait(cell, 0, 0, ROOM_MS);
    }
  }
}

/** Files and terminals wait by themselves. */
function isPipeOrSocket(descriptor) {
  try {
    const found = fs.fstatSync(descriptor);
    return found.isFIFO() || found.isSocket();
  } catch {
    return false;
  }
}

function waiting(descriptor) {
  const output = new Writable({
    decodeStrings: true,
    write(bytes, encoding, done) {
      try {
        writeAll(descriptor, bytes);
      } catch (error) {
        // Not the stream's own error: behind that it would keep all further prints, and not try
        // them. The reader may come back.
        process.nextTick(() => {
          if (output.listenerCount('error') > 0) {
            output.emit('error', error);
          }
        });
      }
      done();
    },
  });
  return Object.assign(output, { fd: descriptor, _type: 'pipe', _isStdio: true });
}

// Threads print through the first one.
if (isMainThread) {
  for (const [name, descriptor] of [['stdout', 1], ['stderr', 2]]) {
    if (isPipeOrSocket(descriptor)) {
      const output = waiting(descriptor);
      Object.defineProperty(process, name, {
        configurable: true,
        enumerable: true,
        get: () => output,
      });
    }
  }
}
