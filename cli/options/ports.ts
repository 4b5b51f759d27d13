// `-p` and `--expose`.
import { CliError } from '../errors.ts';
import { cut } from './csv.ts';

export interface PortBinding {
  HostIp: string;
  HostPort: string;
}

export interface Ports {
  exposed: Record<string, object>;
  bindings: Record<string, PortBinding[]>;
}

export function parsePorts(published: readonly string[], exposed: readonly string[]): Ports {
  const ports: Ports = { exposed: Object.create(null), bindings: Object.create(null) };
  for (const spec of published) publish(ports, spec.includes('=') ? fromLongForm(spec) : spec);
  for (const spec of exposed) expose(ports, spec);
  return { exposed: sorted(ports.exposed), bindings: sorted(ports.bindings) };
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(
    Object.keys(record)
      .sort()
      .map((key) => [key, record[key] as T]),
  );
}

/** `published=8080,target=80,protocol=tcp`. */
function fromLongForm(spec: string): string {
  const fields = new Map([['protocol', 'tcp']]);
  for (const field of spec.split(',')) {
    const [key, value] = cut(field, '=');
    if (value === undefined || key === '') {
      throw new CliError(`invalid publish opts format (should be name=value but got '${field}')`);
    }
    fields.set(key.toLowerCase(), value);
  }
  return `${fields.get('published') ?? ''}:${fields.get('target') ?? ''}/${fields.get('protocol')}`;
}

function publish(ports: Ports, spec: string): void {
  const [address, given = 'tcp'] = cut(spec, '/');
  const protocol = given.toLowerCase();
  const match = /^(?:(?:(\[[^\]]*\]|[^:[\]]*):)?([^:]*):)?([^:]+)?$/.exec(address);
  if (!match) throw new CliError(`invalid IP address: ${address.split(':').slice(0, -2).join(':')}`);
  const HostIp = (match[1] ?? '').replace(/^\[|\]$/g, '');
  const [hostRange = '', containerRange] = [match[2] ?? '', match[3]];
  if (!containerRange) throw new CliError(`no port specified: ${spec}<empty>`);
  if (HostIp !== '' && !isIpAddress(HostIp)) throw new CliError(`invalid IP address: ${HostIp}`);
  const [start, end] = range(containerRange, 'containerPort');
  const [hostStart, hostEnd] = hostRange === '' ? [0, 0] : range(hostRange, 'hostPort');
  // A range on the host for one port of the container is a choice that the daemon makes.
  const isChoice = start === end && hostStart !== hostEnd;
  if (hostRange !== '' && end - start !== hostEnd - hostStart && !isChoice) {
    throw new CliError(`invalid ranges specified for container and host Ports: ${containerRange} and ${hostRange}`);
  }
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw new CliError(`invalid proto: ${protocol}`);
  for (let port = start; port <= end; port++) {
    const key = `${port}/${protocol}`;
    let HostPort = hostRange === '' ? '' : String(hostStart + port - start);
    if (isChoice) HostPort = `${hostStart}-${hostEnd}`;
    ports.exposed[key] = {};
    ports.bindings[key] = [...(ports.bindings[key] ?? []), { HostIp, HostPort }];
  }
}

function expose(ports: Ports, spec: string): void {
  if (spec.includes(':')) throw new CliError(`invalid port format for --expose: ${spec}`);
  const [ports_, protocol = 'tcp'] = cut(spec, '/');
  let bounds: [number, number];
  try {
    bounds = range(ports_, '');
  } catch (error) {
    throw new CliError(
      `invalid range format for --expose: ${spec}, error: ${error instanceof Error ? error.message : ''}`,
    );
  }
  for (let port = bounds[0]; port <= bounds[1]; port++) ports.exposed[`${port}/${protocol || 'tcp'}`] ??= {};
}

/** Both ends included. */
function range(text: string, what: string): [number, number] {
  const numbers = text.split('-');
  const values = numbers.map((number) => {
    if (!/^\d{1,10}$/.test(number) || Number(number) > 65535) {
      if (what !== '') throw new CliError(`invalid ${what}: ${text}`);
      const why = /^\d+$/.test(number) ? 'value out of range' : 'invalid syntax';
      throw new CliError(`strconv.ParseUint: parsing ${JSON.stringify(number)}: ${why}`);
    }
    return Number(number);
  });
  const [start = 0, end = start] = values;
  if (values.length > 2 || end < start) {
    throw new CliError(what === '' ? `invalid range specified for port: ${text}` : `invalid ${what}: ${text}`);
  }
  return [start, end];
}

export function isIpAddress(text: string): boolean {
  return process.getBuiltinModule('node:net').isIP(text) !== 0;
}
