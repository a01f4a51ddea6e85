/** Power cuts on a real ext4, many of them. */
import { powerCuts } from './power-cut-in-form.ts';

powerCuts('power-cut', 60);
