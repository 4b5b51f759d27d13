// A daemon's part that makes steps, to be killed: see exec-crash.kernel.test.ts. Arguments: where it works, and the command of the step.
import { ExecRig } from './exec-rig.ts';

const [path = '', cgroupParent = '', parent = '', command = ''] = process.argv.slice(2);
const rig = await ExecRig.open({ path, cgroupParent });
process.stdout.write('open\n');
const settings = { cgroupParent: parent };
for (;;) {
  const made = await rig.run(command, { settings, onLog: (text) => process.stdout.write(text) });
  for (const result of made) result[Symbol.dispose]();
}
