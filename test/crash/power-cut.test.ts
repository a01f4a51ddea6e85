/** Power cuts on a real ext4, a few of them. */
import { powerCuts } from './power-cut-in-form.ts';

powerCuts('power-cut-short', 2);
