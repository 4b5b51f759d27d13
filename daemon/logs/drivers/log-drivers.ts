// The log drivers that there are, by name. Built in daemon/engine.ts; whoever adds a driver registers it there.
import { EngineError } from '../../errors/engine-error.ts';
import type { ContainerLog, LogDriver } from './log-driver.ts';
import { checkCommonOptions } from './log-options.ts';

/** What a container says of its log. */
export interface LogChoice {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

/** Docker's own. */
const knownElsewhere: ReadonlySet<string> = new Set([
  'journald',
  'syslog',
  'fluentd',
  'gelf',
  'awslogs',
  'gcplogs',
  'splunk',
  'etwlogs',
]);

export class LogDrivers {
  readonly #drivers: ReadonlyMap<string, LogDriver>;

  constructor(drivers: readonly LogDriver[]) {
    this.#drivers = new Map(drivers.map((driver) => [driver.name, driver]));
    if (this.#drivers.size < drivers.length) throw new TypeError('two log drivers have one name');
  }

  /** In the order of their registration. */
  get names(): readonly string[] {
    return [...this.#drivers.keys()];
  }

  /** Throws 'invalid' for what no driver has, 'not-implemented' for what docker has and this engine has not. */
  configure(choice: LogChoice): ContainerLog {
    const driver = this.#drivers.get(choice.driver);
    if (driver === undefined) throw this.#unknown(choice.driver);
    const options = new Map(Object.entries(choice.options));
    checkCommonOptions(options);
    return driver.configure(options);
  }

  #unknown(name: string): EngineError {
    if (!knownElsewhere.has(name)) {
      return new EngineError('invalid', `logger: no log driver named '${name}' is registered`);
    }
    const names = this.names.join(', ').replace(/, ([^,]*)$/, ' or $1');
    return new EngineError('not-implemented', `log driver "${name}" is not there yet: use ${names}`);
  }
}
