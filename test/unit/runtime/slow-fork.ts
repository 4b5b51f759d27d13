// A program with a fork, as exec has it; run under strace by monitor.kernel.test.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import { CLONE } from '../../../native-bindings/constants.ts';
import { LaunchFixture } from './launch-fixture.ts';

using fixture = new LaunchFixture();
const client = await fixture.launch({ argv: ['true'], ops: [{ op: 'fork', args: [] }], flags: CLONE.NEWNS });
const end = await Promise.race([client.ended.then(() => 'ended'), sleep(5000, 'lost', { ref: false })]);
if (end === 'lost') process.kill(readStartedRecord(fixture.runDir)?.monitor ?? 0, 'SIGKILL');
console.log(end === 'ended' ? `ended with ${readExitRecord(fixture.runDir)?.code}` : 'lost');
