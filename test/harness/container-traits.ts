// All that can be seen of a running container without asking the engine what it was told: from inside, from /proc and from its control groups.
// One fact a line, the same for two containers that were made alike; so what a field of the request does is the lines that it changes.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Body, exec, inspect } from './containers.ts';
import { cgroupHierarchies } from './ledger.ts';
import type { TestDaemon } from './test-daemon.ts';

const inside = `
grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' /proc/1/status | sed 's/^/status /'
sed 's/^/limits /' /proc/1/limits
tr '\\0' '\\n' < /proc/1/environ | sed 's/^/env /'
echo "cmdline $(tr '\\0' ' ' < /proc/1/cmdline)"
echo "cwd $(readlink /proc/1/cwd)"
for n in 0 1 2; do echo "fd$n $(readlink /proc/1/fd/$n | sed 's/\\[.*//; s/[0-9]*$//')"; done
cut -d' ' -f4- /proc/1/mountinfo | sed 's/ [a-z]*:[0-9]* / /; s/^/mount /'
echo "uts $(hostname) $(cat /proc/sys/kernel/domainname)"
sed 's/^/hosts /' /etc/hosts; sed 's/^/resolv /' /etc/resolv.conf
ip -o addr | sed 's/^[0-9]*: /addr /; s/valid_lft.*//; s/@if[0-9]*//'; ip -o link | sed 's/^[0-9]*: /link /; s/@if[0-9]*//'
ip route | sed 's/^/route /'
for f in /dev/*; do echo "dev $f"; done
echo "oom $(cat /proc/1/oom_score_adj)"
echo "ttl $(cat /proc/sys/net/ipv4/ip_default_ttl)"
[ -t 0 ] || stty size < /proc/1/fd/0 2>/dev/null | sed 's/^/stty /'
`;
/** Settings, not counters; of both versions of control groups. */
const settings =
  /^(memory\.(limit_in_bytes|soft_limit_in_bytes|memsw\.limit_in_bytes|swappiness|oom_control|max|low|swap\.max)|cpu\.(shares|weight|cfs_quota_us|cfs_period_us|max)|cpuset\.(cpus|mems)|pids\.max|devices\.list|io\.(max|weight|bfq\.weight)|blkio\.(weight|bfq\.weight|weight_device|bfq\.weight_device|throttle\..*_device))$/;

export async function traitsOf(daemon: TestDaemon, id: string, more = ''): Promise<string[]> {
  const { stdout } = await exec(daemon, id, `${inside}\n${more}`, { User: '0', Privileged: true });
  const { Pid } = (await inspect(daemon, id)).State;
  const ports = await daemon.network.must('ss', ['-Hltun']);
  const lines = [
    ...stdout.split('\n'),
    ...namespaceLines(Pid),
    ...cgroupLines(Pid),
    ...ports.split('\n').map((line) => `listen ${line.split(/\s+/)[4] ?? ''}`),
  ];
  return [...new Set(lines.map((line) => withoutChance(line, id)).filter((line) => line.trim() !== ''))];
}

function namespaceLines(pid: number): string[] {
  const of = (who: number | 'self', kind: string) => readlinkSync(`/proc/${who}/ns/${kind}`);
  return ['pid', 'ipc', 'uts', 'net', 'cgroup', 'mnt', 'user'].map(
    (kind) => `namespace ${kind} ${of(pid, kind) === of('self', kind) ? 'of the host' : 'of its own'}`,
  );
}

function cgroupLines(pid: number): string[] {
  const lines: string[] = [];
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')) {
    const [, names = '', path = ''] = line.split(':');
    if (path === '') continue;
    lines.push(`group ${path}`);
    const hierarchy = cgroupHierarchies().find((mount) =>
      names === ''
        ? existsSync(`${mount}/cgroup.controllers`)
        : mount
            .split('/')
            .pop()
            ?.split(',')
            .includes(names.split(',')[0] ?? ''),
    );
    const directory = `${hierarchy}${path}`;
    if (hierarchy === undefined || !existsSync(directory)) continue;
    for (const name of readdirSync(directory)) {
      if (!settings.test(name)) continue;
      const text = readFileSync(`${directory}/${name}`, 'utf8').trim();
      lines.push(...text.split('\n').map((value) => `${name} ${value}`));
    }
  }
  return lines;
}

/** What two containers differ in whatever they were asked to be. */
function withoutChance(line: string, id: string): string {
  return line
    .replaceAll(id, 'ID')
    .replaceAll(id.slice(0, 12), 'SHORT')
    .replace(/172\.17\.\d+\.\d+/g, '172.17.x.y')
    .replace(/02:42:ac:[0-9a-f:]+/g, 'MAC')
    .replace(/\b[0-9a-f]{64}\b/g, 'HEX')
    .replace(/fe80::[0-9a-f:]+/g, 'fe80::x')
    .replace(/ - overlay .*/, ' - overlay')
    .replace(/link-netnsid \d+/, '');
}

/** Lines that only one has: "- " of the first, "+ " of the second. */
export function changed(before: readonly string[], after: readonly string[]): string[] {
  const [had, has] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !has.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !had.has(line)).map((line) => `+ ${line}`),
  ];
}

/** Objects within objects are merged, all else is replaced. */
export function merged(base: Body, more: Body): Body {
  const isObject = (value: unknown): value is Body =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const result: Body = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const before = result[key];
    result[key] = isObject(before) && isObject(value) ? merged(before, value) : value;
  }
  return result;
}
