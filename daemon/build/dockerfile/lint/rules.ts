// Docker's build checks: names, descriptions, addresses and texts as BuildKit prints them. Source: docs.docker.com/reference/build-checks.

export interface Rule {
  description: string;
  /** Has to be asked for: `check=experimental=…`. */
  isExperimental: boolean;
}

const rule = (description: string): Rule => ({ description, isExperimental: false });
const experimental = (description: string): Rule => ({ description, isExperimental: true });

export const rules = {
  StageNameCasing: rule('Stage names should be lowercase'),
  FromAsCasing: rule("The 'as' keyword should match the case of the 'from' keyword"),
  NoEmptyContinuation: rule('Empty continuation lines will become errors in a future release'),
  ConsistentInstructionCasing: rule(
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
  ),
  DuplicateStageName: rule('Stage names should be unique'),
  ReservedStageName: rule('Reserved words should not be used as stage names'),
  JSONArgsRecommended: rule(
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  ),
  MaintainerDeprecated: rule('The MAINTAINER instruction is deprecated, use a label instead to define an image author'),
  UndefinedArgInFrom: rule('FROM command must use declared ARGs'),
  UndefinedVar: rule('Variables should be defined before their use'),
  WorkdirRelativePath: rule(
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  ),
  InvalidDefaultArgInFrom: rule('Default value for global ARG results in an empty or invalid base image name'),
  FromPlatformFlagConstDisallowed: rule('FROM --platform flag should not use a constant value'),
  RedundantTargetPlatform: rule(
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  ),
  SecretsUsedInArgOrEnv: rule('Sensitive data should not be used in the ARG or ENV commands'),
  LegacyKeyValueFormat: rule('Legacy key/value format with whitespace separator should not be used'),
  MultipleInstructionsDisallowed: rule('Multiple instructions of the same type should not be used in the same stage'),
  InvalidBaseImagePlatform: rule('Base image platform does not match expected target platform'),
  CopyIgnoredFile: experimental('Attempting to Copy file that is excluded by .dockerignore'),
  InvalidDefinitionDescription: experimental(
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
  ),
  ExposeProtoCasing: rule('Protocol in EXPOSE instruction should be lowercase'),
  ExposeInvalidFormat: rule(
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  ),
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;

/** `…/rule/from-as-casing/`. */
export function ruleUrl(name: RuleName): string | undefined {
  // The one without a page.
  if (name === 'InvalidBaseImagePlatform') return undefined;
  const words = name.replace(/([a-z])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3-$2$4').toLowerCase();
  return `https://docs.docker.com/go/dockerfile/rule/${words}/`;
}
