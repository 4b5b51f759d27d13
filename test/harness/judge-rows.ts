// Runs the rows of container-fields.ts and group-fields.ts.
import type { Row } from './container-fields.ts';
import { changed, merged, traitsOf } from './container-traits.ts';
import { type Body, remove } from './containers.ts';
import type { TestDaemon } from './test-daemon.ts';

/** What does not hold. One row at a time: what listens on the host is looked at too. */
export async function judgeRows(daemon: TestDaemon, rows: Readonly<Record<string, Row>>): Promise<string[]> {
  const problems: string[] = [];
  /** Containers without the field, by what they were asked. */
  const seen = new Map<string, string[]>();
  for (const [field, row] of Object.entries(rows)) {
    const problem = await judge(daemon, seen, row);
    if (problem !== undefined) problems.push(`${field}: ${problem}`);
  }
  return problems;
}

/** undefined when the row holds; else what happened instead. */
async function judge(
  daemon: TestDaemon,
  seen: Map<string, string[]>,
  { base = {}, body, shows, refused, warns, inside = '' }: Row,
): Promise<string | undefined> {
  const key = JSON.stringify([base, inside]);
  const before = seen.get(key) ?? (await look(daemon, base, inside)).lines;
  seen.set(key, before);
  const after = await look(daemon, merged(base, body), inside);
  if (after.error !== undefined) return refused?.test(after.error) ? undefined : `refused: ${after.error}`;
  if (warns?.test(after.warnings)) return undefined;
  const difference = changed(before, after.lines).join('\n');
  return shows?.test(difference) ? undefined : `changed: ${difference || 'nothing'}`;
}

async function look(
  daemon: TestDaemon,
  body: Body,
  inside: string,
): Promise<{ lines: string[]; warnings: string; error?: string }> {
  const made = await daemon.api.send('POST', '/containers/create', {
    body: { Image: 'busybox', Cmd: ['sleep', '1000'], ...body },
  });
  if (made.status !== 201) return { lines: [], warnings: '', error: made.text };
  const { Id, Warnings } = made.json as { Id: string; Warnings: string[] };
  try {
    const started = await daemon.api.send('POST', `/containers/${Id}/start`);
    if (started.status !== 204) return { lines: [], warnings: '', error: started.text };
    return { lines: await traitsOf(daemon, Id, inside), warnings: Warnings.join('\n') };
  } finally {
    await remove(daemon, Id);
  }
}
