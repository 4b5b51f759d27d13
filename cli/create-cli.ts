// Puts together what a command works with. Nothing is opened or read here: that happens at first use.
import { ApiClient } from './client/api-client.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import type { Cli } from './context.ts';
import type { GlobalOptions } from './global-options.ts';
import type { Output } from './terminal/output.ts';

export function createCli(program: string, options: GlobalOptions, out: Output, err: Output): Cli {
  let config: ConfigFile | undefined;
  let started: Promise<boolean> | undefined;
  const client = new ApiClient({
    host: options.host,
    tls: options.tls,
    async onRefused() {
      if (!options.isDefaultHost || process.getuid?.() !== 0) return false;
      // Requests at the same time share one attempt.
      started ??= import('./daemon-process.ts').then((m) => m.startDaemon(options.host, err));
      return started;
    },
  });
  return {
    program,
    options,
    out,
    err,
    client,
    config() {
      config ??= readConfigFile(options.configDirectory);
      return config;
    },
  };
}
