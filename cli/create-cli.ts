// Puts together what a command works with. Nothing is opened here: that happens at first use.
import { ApiClient } from './client/api-client.ts';
import type { ConfigFile } from './config-file.ts';
import type { Cli } from './context.ts';
import type { GlobalOptions } from './global-options.ts';
import type { Output } from './terminal/output.ts';

export interface CliParts {
  program: string;
  options: GlobalOptions;
  config: ConfigFile;
  out: Output;
  err: Output;
}

export function createCli({ program, options, config, out, err }: CliParts): Cli {
  let started: Promise<boolean> | undefined;
  const client = new ApiClient({
    host: options.host,
    tls: options.tls,
    version: options.apiVersion,
    headers: config.HttpHeaders ?? {},
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
    config: () => config,
  };
}
