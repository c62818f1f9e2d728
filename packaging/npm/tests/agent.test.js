'use strict';

// With the agent itself.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Agent, PACKAGE, numbered, run, until } = require('./support');

/** Each process has all of its lines there, in their order and once. */
function checkWorkers(lines, workers, count) {
  const next = new Map(Array.from({ length: workers }, (_, worker) => [worker, 0]));
  for (const line of lines) {
    const [, worker, number] = /^\[\d+:(\d+)\] line (\d+)$/.exec(line) ?? assert.fail(line);
    assert.equal(Number(number), next.get(Number(worker)), line);
    next.set(Number(worker), Number(number) + 1);
  }
  for (const [worker, numbers] of next) {
    assert.equal(numbers, count, `of worker ${worker}`);
  }
}

test('workers lose nothing while the agent is restarted again and again', async (t) => {
  const agent = await Agent.at(t);
  const [workers, count] = [3, 4000];
  const running = Array.from({ length: workers }, (_, worker) => run(t, `
    const out = require(${JSON.stringify(PACKAGE)}).stream(
      { socket: ${JSON.stringify(agent.socket)}, stream: 'web', exitTimeout: 20000 });
    let i = 0;
    const go = () => {
      for (let n = 0; n < 5 && i < ${count}; n += 1, i += 1) out.write('line ' + i + '\\n');
      if (i < ${count}) setTimeout(go, 0);
      else process.exit(7);
    };
    go();`, { env: { NODE_APP_INSTANCE: String(worker) } }));
  for (let restart = 1; restart <= 3; restart += 1) {
    await agent.has('web', restart * workers * 500);
    await agent.stop();
    await agent.start();
  }
  for (const worker of running) {
    await worker.ended;
    assert.equal(worker.code, 7);
    assert.doesNotMatch(worker.stderr, /logagent/);
  }
  await agent.stop();
  checkWorkers(agent.lines('web'), workers, count);
});

test('a process that ends while the agent is restarted loses nothing', async (t) => {
  const agent = await Agent.at(t);
  const program = run(t, `
    const out = require(${JSON.stringify(PACKAGE)}).stream(
      { socket: ${JSON.stringify(agent.socket)}, mark: false, exitTimeout: 20000 });
    out.write('line 0\\n');
    process.stdin.once('data', () => {
      for (let i = 1; i < 1000; i += 1) out.write('line ' + i + '\\n');
      process.exit(1);
    });`, { stdin: 'pipe' });
  await agent.has('clients', 1);
  await agent.stop();
  program.child.stdin.write('\n');
  await agent.start();
  await program.ended;
  assert.equal(program.code, 1);
  assert.equal(program.stderr, '');
  await agent.stop();
  assert.deepEqual(agent.lines('clients'), numbered(1000));
});

test('a stream has the name that its client gives it', async (t) => {
  const agent = await Agent.at(t);
  for (const stream of ['web', 'web@2.eu_1']) {
    const program = run(t, `require(${JSON.stringify(PACKAGE)}).stream(
      ${JSON.stringify({ socket: agent.socket, stream, mark: false })}).write('hello\\n');`);
    await program.ended;
    assert.deepEqual(await agent.has(stream, 1), ['hello']);
  }
  await until(() => agent.lines('clients').length === 0, 'nothing');
});
