/** The fault sweep of break-glass itself in full. */
import { faultsOfARescue } from './rescue-faults-in-form.ts';

faultsOfARescue('rescue-faults', 1);
