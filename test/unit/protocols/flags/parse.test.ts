import { describe, expect, it } from 'vitest';
import { boolFlag, bytesFlag, integerFlag, listFlag, stringFlag } from '../../../../daemon/protocols/flags/flag.ts';
import { FlagError, parseFlags } from '../../../../daemon/protocols/flags/parse.ts';

const specs = {
  interactive: boolFlag('interactive,i', ''),
  tty: boolFlag('tty,t', ''),
  proxy: boolFlag('sig-proxy', '', { initial: true }),
  env: listFlag('env,e', ''),
  name: stringFlag('name', ''),
  shares: integerFlag('cpu-shares,c', ''),
  memory: bytesFlag('memory,m', ''),
};
const parse = (...argv: string[]) => parseFlags(specs, argv, { interspersed: false });
const fail = (...argv: string[]) => {
  try {
    parse(...argv);
  } catch (error) {
    expect(error).toBeInstanceOf(FlagError);
    return (error as Error).message;
  }
  throw new Error('did not fail');
};

describe('the flag grammar', () => {
  it('joins short switches and takes a value in every form', () => {
    const { values, args } = parse('-it', '-eA=1', '-e', 'B=2', '-e=C=3', '--env=D=4', '--env', 'E=5', 'image', '-x');
    expect(values.interactive && values.tty).toBe(true);
    expect(values.env).toEqual(['A=1', 'B=2', 'C=3', 'D=4', 'E=5']);
    expect(args).toEqual(['image', '-x']);
  });

  it('stops at the first operand only where the rest belongs to the container', () => {
    expect(parse('image', '--name', 'x').args).toEqual(['image', '--name', 'x']);
    const mixed = parseFlags(specs, ['image', '--name', 'x', '--', '-i'], { interspersed: true });
    expect(mixed.values.name).toBe('x');
    expect(mixed.args).toEqual(['image', '-i']);
  });

  it('knows which flags were given and keeps the first values of the others', () => {
    const { values, changed } = parse('--sig-proxy=false', '--name=');
    expect(values.proxy).toBe(false);
    expect([...changed]).toEqual(['sig-proxy', 'name']);
    expect(values.shares).toBe(0);
  });

  it('takes a lone dash as an operand', () => {
    expect(parse('-', 'x').args).toEqual(['-', 'x']);
  });

  it('treats names of object members as unknown flags', () => {
    expect(fail('--constructor')).toBe('unknown flag: --constructor');
    expect(fail('--__proto__=x')).toBe('unknown flag: --__proto__');
  });

  it("says what is wrong in docker's words", () => {
    expect(fail('--foo=1')).toBe('unknown flag: --foo');
    expect(fail('-iZ')).toBe("unknown shorthand flag: 'Z' in -Z");
    expect(fail('--name')).toBe('flag needs an argument: --name');
    expect(fail('-ic')).toBe("flag needs an argument: 'c' in -c");
    expect(fail('-c', 'x')).toBe(
      'invalid argument "x" for "-c, --cpu-shares" flag: strconv.ParseInt: parsing "x": invalid syntax',
    );
    expect(fail('--tty=maybe')).toContain('strconv.ParseBool: parsing "maybe": invalid syntax');
    expect(fail('-m', '1x')).toContain("invalid suffix: 'x'");
  });

  it('answers --help and -h unless they mean something else', () => {
    expect(parse('--help').help).toBe(true);
    expect(parse('-h').help).toBe(true);
    expect(parseFlags({ host: stringFlag('hostname,h', '') }, ['-h', 'x'], { interspersed: false }).help).toBe(false);
  });
});
