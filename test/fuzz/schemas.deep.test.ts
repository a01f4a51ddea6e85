/** The long form: 200,000 documents. */
import { schemasInForm } from './schemas-in-form.ts';

schemasInForm('schemas', 200_000, 600_000);
