/** What HAProxy's answer does not say is not known, and never taken for fine. */
import { expect, it } from 'vitest';
import { parseLocation } from '../../../src/routers/haproxy/haproxy-answer.ts';

const ANSWER = `admin

1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_agent_state srv_port
3 gw 1 blue 10.0.0.1 2 0 30 100 6 80

# pxname,svname,stot,status,bck,algo
gw,blue,9,UP,0,
gw,BACKEND,9,UP,0,roundrobin
`;

it('an answer that does not say whether a server has an agent is incomplete, since an agent may set weights', () => {
  expect(parseLocation(ANSWER, 'gw')).toMatchObject({ servers: [{ name: 'blue', hasAgent: true }] });
  const without = ANSWER.replace(' srv_agent_state', '').replace(' 100 6 80', ' 100 80');
  expect(parseLocation(without, 'gw')).toBe('its answer for server "blue" is incomplete');
  expect(parseLocation(ANSWER.replace(' 6 80', ' - 80'), 'gw')).toBe('its answer for server "blue" is incomplete');
});
