/** The short form: 10,000 documents. */
import { schemasInForm } from './schemas-in-form.ts';

schemasInForm('schemas-short', 10_000, 60_000);
