/** The fault sweep of break-glass itself in its short form. */
import { faultsOfARescue } from './rescue-faults-in-form.ts';

faultsOfARescue('rescue-faults-short', 121);
