'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { PACKAGE, Server, numbered, place, run, until } = require('./support');

const socketIn = (directory) => path.join(directory, 'a.sock');

/** A program that logs 1,000 lines in one go and then goes on with `then`. */
function logging(socket, then, options = {}) {
  return `
    const out = require(${JSON.stringify(PACKAGE)}).stream(
      ${JSON.stringify({ socket, mark: false, ...options })});
    for (let i = 0; i < 1000; i += 1) out.write('line ' + i + '\\n');
    ${then}`;
}

/** How a program ends, and that all its lines have arrived. */
async function check(t, then, { code = null, signal = null, stderr = '' }) {
  const server = await Server.at(t, socketIn(place(t)));
  // If it waited for anything, it would be this long.
  const program = run(t, logging(server.socket, then, { exitTimeout: 60_000 }));
  await program.ended;
  assert.deepEqual({ code: program.code, signal: program.signal }, { code, signal }, program.stderr);
  assert.doesNotMatch(program.stderr, /logagent: /);
  assert.ok(program.stderr.includes(stderr), program.stderr);
  await server.ended();
  assert.deepEqual(server.lines.filter((line) => line.startsWith('line ')), numbered(1000));
  return { program, server };
}

test('a program that has nothing more to do ends, and its lines have arrived', async (t) => {
  await check(t, '', { code: 0 });
});

test('process.exit right behind the last line loses none', async (t) => {
  await check(t, 'process.exit(7);', { code: 7 });
});

test('an exception that nobody catches loses none', async (t) => {
  await check(t, 'throw new Error("mine");', { code: 1, stderr: 'Error: mine' });
});

test('a rejection that nobody handles loses none', async (t) => {
  await check(t, 'Promise.reject(new Error("mine"));', { code: 1, stderr: 'Error: mine' });
});

test('what listeners to the exit log arrives, too', async (t) => {
  const { server } = await check(t, `
    process.on('exit', () => { out.write('late 1\\n'); out.write('late 2\\n'); });
    process.exit(3);`, { code: 3 });
  assert.deepEqual(server.lines.slice(1000), ['late 1', 'late 2']);
});

test('what listeners to the exit do costs no line', async (t) => {
  // They are there before the stream is.
  for (const does of ['process.exit(3)', 'throw new Error("mine")']) {
    const server = await Server.at(t, socketIn(place(t)));
    const program = run(t, `process.on('exit', () => { ${does}; });
      ${logging(server.socket, 'process.exit(0);')}`);
    await program.ended;
    await server.ended();
    assert.deepEqual(server.lines, numbered(1000));
  }
});

test('lines of listeners to the exit are waited for as all others are', async (t) => {
  const { server } = await check(t, `
    const long = 'x'.repeat(1000) + '\\n';
    process.on('exit', () => {
      for (let i = 0; i < 2000; i += 1) out.write('late ' + i + ' ' + long);
      out.write('last');
    });`, { code: 0 });
  const late = server.lines.slice(1000).map((line) => line.split(' x')[0]);
  assert.deepEqual(late, [...Array.from({ length: 2000 }, (_, at) => `late ${at}`), 'last']);
});

test('two copies of the package in a process lose nothing at a signal', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const copy = path.join(place(t), 'logagent');
  fs.cpSync(PACKAGE, copy, { recursive: true });
  const program = run(t, `
    const outs = [${JSON.stringify(PACKAGE)}, ${JSON.stringify(copy)}].map((copy) => require(copy)
      .stream({ socket: ${JSON.stringify(server.socket)}, mark: false }));
    for (let i = 0; i < 1000; i += 1) outs.forEach((out) => out.write('line ' + i + '\\n'));
    process.kill(process.pid, 'SIGTERM');
    setInterval(() => {}, 1000);`);
  await program.ended;
  assert.equal(program.signal, 'SIGTERM');
  await server.ended();
  assert.deepEqual(server.connections.map(({ bytes }) => bytes.split('\n').slice(0, -1)),
    [numbered(1000), numbered(1000)]);
});

test('a line without its newline is whole when the process ends', async (t) => {
  const { server } = await check(t, 'out.write("la"); out.write("st"); process.exit(0);', { code: 0 });
  assert.deepEqual(server.lines.slice(1000), ['last']);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  test(`${signal} ends a process as it would without us, and no line is lost`, async (t) => {
    await check(t, `process.kill(process.pid, '${signal}'); setInterval(() => {}, 1000);`, { signal });
  });
}

test('the listeners of the app decide what a signal does, whenever they come', async (t) => {
  const send = 'process.kill(process.pid, "SIGTERM")';
  const ends = 'process.on("SIGTERM", () => setTimeout(() => process.exit(5), 50));';
  const decides = async (then, end) => {
    const { program } = await check(t, then, end);
    return program.stdout;
  };
  // After ours.
  await decides(`${ends} ${send}; setInterval(() => {}, 1000);`, { code: 5 });
  // In a later turn, and gone after the first signal: the second one is nobody's.
  assert.equal(await decides(`
    setTimeout(() => {
      process.once('SIGTERM', () => {
        console.log('once');
        setTimeout(() => ${send}, 50);
      });
      setTimeout(() => ${send}, 50);
    }, 50);
    setInterval(() => {}, 1000);`, { signal: 'SIGTERM' }), 'once\n');
  // Before ours.
  const server = await Server.at(t, socketIn(place(t)));
  const program = run(t, `${ends} ${logging(server.socket, `${send}; setInterval(() => {}, 1000);`)}`);
  await program.ended;
  assert.equal(program.code, 5, program.stderr);
  await server.ended();
  assert.deepEqual(server.lines, numbered(1000));
  // One that sends the signal again when it is done, as signal-exit does.
  await decides(`
    const listener = () => {
      process.removeListener('SIGTERM', listener);
      ${send};
    };
    process.on('SIGTERM', listener);
    ${send}; setInterval(() => {}, 1000);`, { signal: 'SIGTERM' });
  // One that ignores it.
  assert.equal(await decides(`
    process.on('SIGTERM', () => setTimeout(() => { console.log('on'); process.exit(0); }, 100));
    ${send}; setInterval(() => {}, 1000);`, { code: 0 }), 'on\n');
  // Taken away again.
  await decides(`process.on('SIGTERM', () => {}); process.removeAllListeners('SIGTERM');
    ${send}; setInterval(() => {}, 1000);`, { signal: 'SIGTERM' });
});

test('streams that have ended leave nothing behind', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const program = run(t, `
    const { stream } = require(${JSON.stringify(PACKAGE)});
    const count = () => ['exit', 'SIGTERM', 'SIGINT', 'SIGHUP', 'newListener', 'removeListener',
      'uncaughtExceptionMonitor'].map((name) => process.listenerCount(name)).join(' ');
    const before = count();
    const outs = Array.from({ length: 50 }, () => stream({ socket: ${JSON.stringify(server.socket)} }));
    let open = outs.length;
    for (const out of outs) {
      out.end('x\\n');
      out.on('close', () => {
        open -= 1;
        if (open === 0) console.log(before === count());
      });
    }`);
  await program.ended;
  assert.equal(program.stdout, 'true\n');
  assert.equal(program.stderr, '');
});

test('without anybody to send to, a process ends at once, and what is lost is told', async (t) => {
  const socket = socketIn(place(t));
  for (const [then, end] of [['', 0], ['process.exit(2);', 2]]) {
    const program = run(t, logging(socket, then, { stream: 'web', exitTimeout: 60_000 }));
    await program.ended;
    assert.equal(program.code, end);
    assert.equal(program.stderr, 'logagent: 1000 lines lost, not delivered to '
      + `${socket} (stream web): no connection (ENOENT)\n`);
  }
});

test('where nobody reads, a process ends after the time that it allows, and tells', async (t) => {
  const server = await Server.at(t, socketIn(place(t)), { reads: false });
  const long = 'out.write("x".repeat(300000) + "\\n".repeat(5)); process.exit(4);';
  const program = run(t, logging(server.socket, long, { exitTimeout: 100 }));
  await program.ended;
  assert.equal(program.code, 4);
  assert.match(program.stderr, /^logagent: 5 lines lost, not delivered to \S+: not read\n$/);
  server.read();
  await server.ended();
  assert.deepEqual(server.lines.slice(0, 1000), numbered(1000));
});

test('whoever comes while a process waits to end gets its lines', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const program = run(t, logging(server.socket, `
    setTimeout(() => {
      console.log('ready');
      process.stdin.once('data', () => {
        out.write('last\\n');
        process.exit(0);
      });
    }, 0);`, { exitTimeout: 20_000 }), { stdin: 'pipe' });
  await until(() => program.stdout === 'ready\n', 'the program');
  await server.has(1000);
  await server.stop();
  program.child.stdin.write('\n');
  await new Promise((resolve) => {
    setTimeout(resolve, 100);
  });
  await server.start();
  await program.ended;
  assert.equal(program.code, 0);
  assert.deepEqual(await server.has(1001), [...numbered(1000), 'last']);
});

test('a worker that is killed leaves whole lines only', async (t) => {
  const server = await Server.at(t, socketIn(place(t)));
  const program = run(t, `
    const out = require(${JSON.stringify(PACKAGE)}).stream(
      ${JSON.stringify({ socket: server.socket, mark: false })});
    let i = 0;
    const go = () => {
      for (let n = 0; n < 50; n += 1, i += 1) out.write('line ' + i + '\\n');
      setImmediate(go);
    };
    go();`);
  await server.has(5000);
  program.child.kill('SIGKILL');
  await program.ended;
  await server.ended();
  assert.deepEqual(server.lines, numbered(server.lines.length));
  assert.ok(server.connections[0].bytes.endsWith('\n'));
});

test('end and destroy call back when everything has arrived, or the time is over', async (t) => {
  for (const how of ['out.end(() => console.log("ended"));',
    'out.on("close", () => console.log("ended")); out.destroy();']) {
    const { program } = await check(t, how, { code: 0 });
    assert.equal(program.stdout, 'ended\n');
    const late = run(t, logging(socketIn(place(t)), how, { exitTimeout: 100 }));
    await late.ended;
    assert.equal(late.stdout, 'ended\n');
    assert.match(late.stderr, /LOGAGENT_LOST.* 1000 lines lost, not delivered to .*: no connection/);
  }
});
