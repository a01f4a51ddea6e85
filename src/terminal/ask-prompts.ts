/** The two prompts that kvdeploy uses, so that the bundle holds only these. Must be loaded only where a person can answer. */

export { confirm, input } from '@inquirer/prompts';
