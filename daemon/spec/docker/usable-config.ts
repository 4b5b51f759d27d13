// What of an image's config can be used. An image is somebody else's: a value that is no signal, port or check is passed over with a warning,
// where the same value in a request is an error.
import type { ContainerConfig, HealthConfig } from '../../docker-types/container-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseSignal } from '../signals.ts';
import { checkHealth } from './resolve-config.ts';

const PORT = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(?:tcp|udp|sctp))?$/i;

/** The config without what cannot be, and a warning for each thing that was left out. */
export function usableConfig(image: ContainerConfig): { config: ContainerConfig; warnings: string[] } {
  const config = { ...image };
  const warnings: string[] = [];
  const leaveOut = (what: string, why: string): void => {
    warnings.push(`The image's ${what} is ignored: ${why}`);
  };
  if (config.StopSignal) {
    const why = failureOf(() => parseSignal(config.StopSignal ?? ''));
    if (why !== undefined) {
      leaveOut('StopSignal', why);
      delete config.StopSignal;
    }
  }
  const ports = Object.keys(config.ExposedPorts ?? {});
  const strange = ports.filter((port) => !isPort(port));
  if (strange.length > 0) {
    leaveOut('ExposedPorts', `invalid port specification: ${strange.slice(0, 10).map(shown).join(', ')}`);
    config.ExposedPorts = Object.fromEntries(ports.filter(isPort).map((port) => [port, {}]));
  }
  const why = failureOf(() => checkHealth((config.Healthcheck ?? undefined) as HealthConfig | undefined));
  if (why !== undefined) {
    leaveOut('Healthcheck', why);
    delete config.Healthcheck;
  }
  const nameless = (config.Env ?? []).filter(isNameless);
  if (nameless.length > 0) {
    leaveOut('Env', `invalid environment variable: ${nameless.slice(0, 10).map(shown).join(', ')}`);
    config.Env = (config.Env ?? []).filter((entry) => !isNameless(entry));
  }
  return { config, warnings };
}

function isPort(text: string): boolean {
  const [, first, last] = PORT.exec(text) ?? [];
  if (first === undefined || Number(first) < 1) return false;
  return Number(first) <= Number(last ?? first) && Number(last ?? first) <= 65_535;
}

function isNameless(entry: string): boolean {
  return entry === '' || entry.startsWith('=');
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function failureOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof EngineError) return error.message;
    throw error;
  }
}
