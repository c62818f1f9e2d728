'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { stream } = require('..');
const { PACKAGE, Server, numbered, place, run, until } = require('./support');

const GAP = /^logagent: gap: (\d+) lines, (\d+) bytes lost, (\S+Z) to (\S+Z): (.*)$/;

/** Collects the warnings of this process. */
function warnings(t) {
  const all = [];
  const listener = (warning) => all.push(warning);
  process.on('warning', listener);
  t.after(() => process.removeListener('warning', listener));
  return (code, socket) => all
    .filter((warning) => warning.code === code && warning.message.includes(socket));
}

/**
 * Looks at each line: numbers go up by one, and where some are missing a gap record says exactly how
 * many, and how long they were. Returns how many are missing.
 */
function checkGaps(lines, count, reason) {
  let [next, missing] = [0, 0];
  let gap;
  for (const line of [...lines, `line ${count}`]) {
    const record = GAP.exec(line);
    if (record) {
      assert.equal(gap, undefined, `two gap records at ${next}`);
      gap = record;
      assert.ok(gap[3] <= gap[4] && gap[4] <= new Date().toISOString());
      assert.equal(gap[5], reason);
    } else {
      const number = Number(/^line (\d+)/.exec(line)[1]);
      const lost = number - next;
      assert.equal(Number(gap?.[1] ?? 0), lost, `before ${number}`);
      missing += lost;
      next = number + 1;
      gap = undefined;
    }
  }
  return missing;
}

const turn = () => new Promise((resolve) => {
  setImmediate(resolve);
});

test('nothing is lost while nobody listens yet', async (t) => {
  const socket = path.join(place(t), 'a.sock');
  const out = stream({ socket, stream: 'web', mark: false });
  const expected = numbered(5000);
  for (const line of expected) {
    out.write(`${line}\n`);
    if (line.endsWith('00')) {
      await turn();
    }
  }
  assert.equal(out.counters.buffered, 5000);
  assert.equal(out.counters.connected, false);
  const server = await Server.at(t, socket);
  assert.deepEqual(await server.has(5000), expected);
  assert.equal(out.counters.written, 5000);
  out.destroy();
});

test('nothing is lost or doubled while those who listen come and go', async (t) => {
  const server = await Server.at(t, path.join(place(t), 'a.sock'));
  const out = stream({ socket: server.socket, stream: 'web', mark: false });
  let written = 0;
  for (let round = 0; round < 4; round += 1) {
    // All that was sent must have been read: this server does not read what is left when it ends.
    for (const line of numbered(2000, written)) {
      out.write(`${line}\n`);
    }
    written += 2000;
    await server.has(written);
    await server.stop();
    for (const line of numbered(100, written)) {
      out.write(`${line}\n`);
      await turn();
    }
    written += 100;
    await server.start();
  }
  assert.deepEqual(await server.has(written), numbered(written));
  assert.equal(out.counters.written, written);
  assert.equal(out.counters.fragments, 0);
  assert.ok(server.connections.length >= 5);
  assert.ok(server.connections.every(({ bytes }) => bytes.startsWith('logagent/1 stream=web\n')));
  out.destroy();
});

test('beyond its bound the buffer loses the newest lines, told to the line', async (t) => {
  const told = warnings(t);
  const socket = path.join(place(t), 'a.sock');
  const bufferBytes = 4096;
  const out = stream({ socket, mark: false, bufferBytes });
  const long = (number) => `line ${number}${' x'.repeat(number % 50)}\n`;
  for (let number = 0; number < 1000; number += 1) {
    out.write(long(number));
    assert.ok(out.counters.bufferedBytes <= bufferBytes);
  }
  const { buffered, dropped } = out.counters;
  assert.ok(dropped > 0 && buffered > 0);
  await turn();
  assert.equal(told('LOGAGENT_GAP', socket).length, 1);
  assert.match(told('LOGAGENT_GAP', socket)[0].message, /no connection.* 4096 bytes are kept/);
  const server = await Server.at(t, socket);
  await until(() => server.lines.some((line) => GAP.test(line)), 'a gap record');
  for (let number = 1000; number < 1200; number += 1) {
    out.write(long(number));
    await turn();
  }
  await until(() => server.lines.at(-1)?.startsWith('line 1199'), 'the last line');
  await until(() => out.counters.buffered === 0, 'an empty buffer');
  const { lines } = server;
  assert.equal(checkGaps(lines, 1200, 'no connection'), out.counters.dropped);
  const gaps = lines.map((line) => GAP.exec(line)).filter(Boolean);
  assert.equal(gaps.length, out.counters.gaps);
  const bytes = gaps.reduce((sum, gap) => sum + Number(gap[2]), 0);
  assert.equal(bytes, out.counters.droppedBytes);
  assert.equal(out.counters.written, 1200 - out.counters.dropped + gaps.length);
  out.destroy();
});

test('who listens and does not read holds up nobody, and the loss is told to the line', async (t) => {
  const told = warnings(t);
  const server = await Server.at(t, path.join(place(t), 'a.sock'), { reads: false });
  const out = stream({ socket: server.socket, mark: false, bufferBytes: 64 * 1024 });
  const count = 20_000;
  for (let number = 0; number < count; number += 1) {
    out.write(`line ${number} ${'x'.repeat(100)}\n`);
    if (number % 100 === 0) {
      await turn();
    }
  }
  assert.ok(out.counters.dropped > 10_000);
  assert.ok(out.counters.bufferedBytes <= 64 * 1024);
  assert.equal(told('LOGAGENT_GAP', server.socket).length, 1);
  server.read();
  await until(() => out.counters.buffered === 0, 'an empty buffer');
  out.end();
  await server.ended();
  assert.equal(checkGaps(server.lines, count, 'not read'), out.counters.dropped);
});

test('who listens and does not read keeps no process alive', async (t) => {
  const server = await Server.at(t, path.join(place(t), 'a.sock'), { reads: false });
  const program = run(t, `
    const { stream } = require(${JSON.stringify(PACKAGE)});
    const out = stream({ socket: ${JSON.stringify(server.socket)}, mark: false, exitTimeout: 0 });
    for (let i = 0; i < 5000; i += 1) out.write('line ' + i + ' ' + 'x'.repeat(100) + '\\n');`);
  await program.ended;
  assert.equal(program.code, 0);
  const lost = Number(/logagent: (\d+) lines lost, .*: not read/.exec(program.stderr)[1]);
  server.read();
  await server.ended();
  assert.equal(server.lines.length + lost, 5000);
});

test('a line that is longer than the buffer is told where it is missing', async (t) => {
  const server = await Server.at(t, path.join(place(t), 'a.sock'));
  const out = stream({ socket: server.socket, mark: false, bufferBytes: 2048 });
  out.write('line 0\n');
  out.write(`line 1${'x'.repeat(2048)}\n`);
  out.write('line 2\nline 3');
  for (let part = 0; part < 100; part += 1) {
    out.write('y'.repeat(100));
  }
  out.write('\nline 4\n');
  const lines = await server.has(5);
  assert.equal(lines.length, 5);
  assert.match(lines[1], /^logagent: gap: 1 lines, 2055 bytes lost, .*: longer than the buffer$/);
  assert.match(lines[3], /^logagent: gap: 1 lines, 10007 bytes lost, .*: longer than the buffer$/);
  assert.deepEqual(out.counters.dropped, 2);
  out.destroy();
});

test('what is lost at the end is told with the lines of gap records that were lost with it', async (t) => {
  const told = warnings(t);
  const socket = path.join(place(t), 'a.sock');
  const out = stream({ socket, mark: false, bufferBytes: 2048, exitTimeout: 0 });
  const long = `${'x'.repeat(2048)}\n`;
  out.write(`line 0\n${long}${long}line 3\n${long}`);
  assert.equal(out.counters.gaps, 1);
  await new Promise((resolve) => {
    out.end('line 5\n', resolve);
  });
  const { dropped, droppedBytes, gaps, buffered } = out.counters;
  assert.deepEqual([dropped, droppedBytes, gaps, buffered], [6, 3 * 7 + 3 * 2049, 0, 0]);
  await turn();
  assert.match(told('LOGAGENT_LOST', socket)[0].message, /: 6 lines lost, not delivered/);
});

test('a long line that was begun when the connection ended goes again, whole', async (t) => {
  const server = await Server.at(t, path.join(place(t), 'a.sock'), { reads: false });
  const out = stream({ socket: server.socket, mark: false });
  const long = `long ${'x'.repeat(1_000_000)}`;
  out.write(`${long}\nafter\n`);
  await until(() => out.counters.connected && server.connections.length === 1, 'a connection');
  assert.ok(out.counters.writtenBytes > 0 && out.counters.written === 0);
  await server.stop();
  server.reads = true;
  await server.start();
  await until(() => server.lines.at(-1) === 'after', 'the last line');
  assert.ok(server.connections[0].bytes === '');
  assert.ok(server.connections[1].bytes === `${long}\nafter\n`);
  // Nothing of it is lost, so no gap is told.
  assert.equal(out.counters.resets, 0);
  assert.equal(out.counters.fragments, 1);
  out.destroy();
});

test('who ends without reading is told, with the most that may be lost', async (t) => {
  const told = warnings(t);
  const socket = path.join(place(t), 'a.sock');
  const peer = run(t, `
    require('net').createServer({ pauseOnConnect: true }, () => console.log('come'))
      .listen(${JSON.stringify(socket)}, () => console.log('up'));`);
  await until(() => peer.stdout.includes('up'), 'the server');
  const out = stream({ socket, mark: false });
  const count = 20_000;
  for (const line of numbered(count)) {
    out.write(`${line} ${'x'.repeat(100)}\n`);
  }
  await until(() => peer.stdout.includes('come'), 'the connection');
  const { written } = out.counters;
  assert.ok(written > 1000 && written < count);
  peer.child.kill('SIGKILL');
  await peer.ended;
  fs.rmSync(socket);
  const server = await Server.at(t, socket);
  await until(() => out.counters.buffered === 0, 'an empty buffer');
  const lines = await server.has(count - written + 1);
  const gap = /^logagent: gap: at most (\d+) lines, (\d+) bytes lost, (\S+Z) to (\S+Z): connection reset$/
    .exec(lines[0]);
  assert.ok(Number(gap[1]) >= written, `${gap[0]}, and ${written} are`);
  assert.equal(lines[1].split(' x')[0], `line ${written}`);
  assert.equal(lines.length, count - written + 1);
  assert.equal(out.counters.unread, Number(gap[1]));
  assert.equal(out.counters.resets, 1);
  assert.equal(told('LOGAGENT_RESET', socket).length, 1);
  out.destroy();
});

test('where nothing may be written is told at once', async (t) => {
  const socket = path.join(place(t), 'a.sock');
  await Server.at(t, socket);
  fs.chmodSync(path.dirname(socket), 0o755);
  fs.chmodSync(socket, 0);
  const program = run(t, `
    const { stream } = require(${JSON.stringify(PACKAGE)});
    if (process.getuid() === 0) {
      process.setgid(65534);
      process.setuid(65534);
    }
    stream({ socket: ${JSON.stringify(socket)}, exitTimeout: 60000 }).write('x\\n');
    setTimeout(() => {}, 50);`);
  await program.ended;
  assert.match(program.stderr, /LOGAGENT_CONNECTION.* no connection to \S*: EACCES; may this process/);
  assert.match(program.stderr, /logagent: 1 line lost, not delivered to .*: no connection \(EACCES\)/);
});

test('a listener to warnings that logs them does not go round in circles', async (t) => {
  const socket = path.join(place(t), 'a.sock');
  const program = run(t, `
    const { stream } = require(${JSON.stringify(PACKAGE)});
    const out = stream({ socket: ${JSON.stringify(socket)}, bufferBytes: 1024, exitTimeout: 0 });
    let count = 0;
    process.on('warning', (warning) => {
      count += 1;
      out.write('warning: ' + warning.message + '\\n');
    });
    for (let i = 0; i < 1000; i += 1) out.write('line ' + i + '\\n');
    setTimeout(() => console.log(count), 100);`);
  await program.ended;
  assert.equal(program.code, 0);
  assert.equal(program.stdout, '1\n');
});
