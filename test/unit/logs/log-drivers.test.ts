import { describe, expect, it, test, vi } from 'vitest';
import { followLog } from '../../../daemon/containers/streams/container-log.ts';
import { containerLogs } from '../../../daemon/containers/streams/container-logs.ts';
import { jsonFileDriver, localDriver } from '../../../daemon/logs/drivers/file-driver.ts';
import { LogDrivers } from '../../../daemon/logs/drivers/log-drivers.ts';
import { noneDriver } from '../../../daemon/logs/drivers/none-driver.ts';
import { eventually } from '../../harness/eventually.ts';
import { containerOf } from '../containers/container-of.ts';
import { collect } from '../runtime/collect.ts';
import { specOf } from '../spec/spec-of.ts';
import { logDriverSuite } from './log-driver-suite.ts';
import { memoryDriver } from './memory-driver.ts';
import { WrittenLog } from './written-log.ts';

logDriverSuite('json-file', () => ({
  driver: jsonFileDriver,
  options: { 'max-size': '1m', 'max-file': '2', compress: 'true', tag: '{{.Name}}', labels: 'tier', 'env-regex': '^A' },
  isReadable: true,
}));
logDriverSuite('local', () => ({ driver: localDriver, options: { 'max-size': '1m' }, isReadable: true }));
logDriverSuite('none', () => ({ driver: noneDriver, options: {}, isReadable: false, takesAnyOption: true }));
logDriverSuite('memory', () => ({ driver: memoryDriver(), options: { chunks: '7' }, isReadable: true }));

const drivers = new LogDrivers([jsonFileDriver, localDriver, noneDriver]);

describe('the drivers that there are', () => {
  test('are named in the order of their registration', () => {
    expect(drivers.names).toEqual(['json-file', 'local', 'none']);
    expect(new LogDrivers([memoryDriver(), noneDriver]).names).toEqual(['memory', 'none']);
    expect(() => new LogDrivers([noneDriver, noneDriver])).toThrow('two log drivers have one name');
  });

  it.each([
    ['nope', 'invalid', "logger: no log driver named 'nope' is registered"],
    ['constructor', 'invalid', "logger: no log driver named 'constructor' is registered"],
    ['syslog', 'not-implemented', 'log driver "syslog" is not there yet: use json-file, local or none'],
  ])('%s is none of them', (driver, code, message) => {
    expect(() => drivers.configure({ driver, options: {} })).toThrow(expect.objectContaining({ code, message }));
  });
});

test('a driver that is registered has the runs of its containers, and `logs` reads what it keeps', async () => {
  using written = new WrittenLog();
  const spec = { ...specOf({}, { Cmd: ['sh'], Image: 'busybox' }), log: { driver: 'memory', options: {} } };
  const container = containerOf({ name: 'web', imageId: 'sha256:d', spec });
  const services = {
    store: { get: () => container },
    logs: new LogDrivers([jsonFileDriver, memoryDriver()]),
    paths: { logs: () => written.directory },
    log: { warn: vi.fn() },
  };
  followLog(services, container, written, { seq: 0, offset: 0 });
  written.write('one\n');
  written.end();
  await eventually('the log is in memory', async () => {
    const { output } = containerLogs(services, 'web', {
      ...{ stdout: true, stderr: true, follow: false, timestamps: false, details: false },
    });
    const chunks = await collect(output, (batch) => [batch].flat().map(({ data }) => data.toString()));
    return chunks.flat().join('') === 'one\n';
  });
  expect(services.log.warn).not.toHaveBeenCalled();
});

test('a driver that throws at the start of a run does not end it', () => {
  using written = new WrittenLog();
  const container = containerOf({ spec: { ...specOf(), log: { driver: 'gone', options: {} } } });
  const warn = vi.fn();
  const services = { logs: drivers, paths: { logs: () => '/' }, log: { warn } };
  followLog(services, container, written);
  const err = expect.objectContaining({ code: 'invalid' });
  expect(warn).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ err }), expect.any(String));
});
