// Execs that are remembered: how many, and which make room for others.
import { describe, expect, test } from 'vitest';
import type { Container } from '../../../daemon/containers/container.ts';
import { Exec, type ExecRecord } from '../../../daemon/containers/exec/exec.ts';
import { ExecRegistry } from '../../../daemon/containers/exec/exec-registry.ts';
import { containerOf } from './container-of.ts';

const limit = 4096;

function aContainer(): Container {
  return containerOf();
}

function anExec(number: number): Exec {
  return new Exec({ id: number.toString(16).padStart(64, '0'), containerId: 'c'.repeat(64) } as ExecRecord);
}

describe('the registry of execs', () => {
  test('ended ones make room, the oldest first, and their files go', () => {
    const registry = new ExecRegistry();
    const container = aContainer();
    const cleaned: string[] = [];
    for (let number = 0; number < limit + 2; number++) {
      const exec = anExec(number);
      registry.add(container, exec);
      exec.end(0);
      registry.expire(exec, () => cleaned.push(exec.id));
    }
    expect(container.execs.size).toBe(limit);
    expect(cleaned).toEqual([anExec(0).id, anExec(1).id]);
    expect(() => registry.get(anExec(0).id)).toThrow('No such exec instance');
    for (const exec of [...container.execs.values()]) exec.forget();
  });

  test('those that have not ended do not', () => {
    const registry = new ExecRegistry();
    const container = aContainer();
    for (let number = 0; number < limit; number++) registry.add(container, anExec(number));
    expect(() => registry.add(container, anExec(limit))).toThrow(`has ${limit} execs`);
  });
});
