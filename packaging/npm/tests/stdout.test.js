'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { PACKAGE, numbered } = require('./support');

/** A program that prints as `stdout.js` has it, and whose output nobody has begun to read. */
function printing(program) {
  const argv = ['--require', path.join(PACKAGE, 'stdout.js'), '-e', program];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return { child, ended };
}

async function all(readable) {
  let text = '';
  readable.setEncoding('utf8');
  for await (const chunk of readable) {
    text += chunk;
  }
  return text;
}

test('what is printed before process.exit arrives, however slowly it is read', async () => {
  // More than a pipe or a socket holds.
  const { child, ended } = printing(`
    for (let i = 0; i < 50000; i += 1) console.log('line ' + i);
    console.error('the end');
    process.exit(3);`);
  const [out, err] = await Promise.all([all(child.stdout), all(child.stderr)]);
  assert.deepEqual(await ended, { code: 3, signal: null });
  assert.deepEqual(out.split('\n').slice(0, -1), numbered(50000));
  assert.equal(err, 'the end\n');
});

test('a reader that has gone ends no program that prints', async () => {
  const { child, ended } = printing(`
    process.stdin.destroy();
    setTimeout(() => {
      for (let i = 0; i < 3; i += 1) console.log('to nobody');
      // Nothing is kept for somebody who may never come.
      setImmediate(() => {
        console.log('to nobody');
        process.exit(process.stdout.writableLength === 0 ? 4 : 5);
      });
    }, 100);`);
  child.stdout.destroy();
  assert.equal(await all(child.stderr), '');
  assert.deepEqual(await ended, { code: 4, signal: null });
});

test('callbacks and fd are as a program expects them', async () => {
  const { child, ended } = printing(`
    process.stdout.write('one', () => {
      process.stdout.write(Buffer.from(' two\\n'), () => process.exit(process.stdout.fd));
    });`);
  assert.equal(await all(child.stdout), 'one two\n');
  assert.deepEqual(await ended, { code: 1, signal: null });
});
