#!/usr/bin/env bash
# Drives the weights of the target groups of an AWS ALB for the `command` router: alb.sh FOLDER read|set|identify, JSON on standard input.
# Needs jq and the aws CLI. What FOLDER/TARGET.json says, and what an ALB cannot promise: docs/alb.md.
set -euo pipefail
refuse() { printf 'alb.sh: %s\n' "$1" >&2; exit 2; }
# What jq says of its own error, without where it is.
plain() { printf '%s' "${1#jq: error (at *): }"; }

folder=$1 verb=$2
input=$(head -c 65536 | tr -d '\0')
target=$(jq -er 'select(.formatVersion == 1) | .target | select(test("^[A-Za-z0-9-]+$"))' <<<"$input" 2>/dev/null) ||
  refuse 'this is not a request of format 1 for a target'
file=$folder/$target.json
[[ -f $file ]] || refuse "there is no target $target: $file"

# One ARN says which region, which account and which load balancer it is.
settings='
def arn($kind): type == "string" and test("^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:\($kind)/[!-~]+$");
def must(ok; $what): if ok then . else error($what) end;
must(keys - ["actions", "environmentTag", "instanceRole", "listener", "places", "profile", "rule"] == []; "there is a key that it does not know")
| must((.rule | arn("listener-rule/app")) != (.listener | arn("listener/app")) and (has("rule") != has("listener"));
    "it needs the ARN of an ALB as rule or as listener, one of the two")
| must((.places | type) == "object" and all(.places[]; arn("targetgroup")) and ([.places[]] | length >= 2 and unique == sort);
    "places names two target groups or more, by their ARNs, each once")
| .actions //= ["forward"]
| must((.actions | type) == "array" and (.actions | map(select(. == "forward")) | length == 1); "actions names forward once")
| (.rule // .listener) as $arn | ($arn | split("[:/]"; "")) as $part
| {arn: $arn, kind: (if .rule then "rule" else "listener" end), region: $part[3], account: $part[4],
    balancer: ($part[0:5] + ["loadbalancer/app/\($part[7])/\($part[8])"] | join(":")),
    environmentTag: (.environmentTag // "Environment"), profile: (.profile // ""), instanceRole: (.instanceRole == true), places, actions}'
settings=$(jq -ce "$settings" "$file" 2>&1) || refuse "$file: $(plain "$settings")"
read -r arn kind region account balancer instanceRole profile < <(
  jq -r '[.arn, .kind, .region, .account, .balancer, .instanceRole, .profile] | join(" ")' <<<"$settings")

# Standard mode waits and asks again twice when AWS says "Rate exceeded"; after that the call has failed.
export AWS_PAGER='' AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=3
# Without this, a host outside EC2 waits for credentials that never come.
[[ $instanceRole == true ]] || export AWS_EC2_METADATA_DISABLED=true
call() {
  aws --output json --region "$region" ${profile:+--profile "$profile"} --cli-connect-timeout 3 --cli-read-timeout 5 "$@"
}

# [{Actions}] of the rule, or of the default rule of the listener.
actions() { if [[ $kind == rule ]]; then jq '.Rules'; else jq '[.Listeners[] | {Actions: .DefaultActions}]'; fi; }
describe() {
  if [[ $kind == rule ]]; then call elbv2 describe-rules --rule-arns "$arn"; else call elbv2 describe-listeners --listener-arns "$arn"; fi
}
modify() {
  if [[ $kind == rule ]]; then call elbv2 modify-rule --rule-arn "$arn" --actions "$1"
  else call elbv2 modify-listener --listener-arn "$arn" --default-actions "$1"; fi
}

# The one forward action, and all of them in their order. Anything but what FOLDER/TARGET.json expects is neither read nor changed.
known='
if length != 1 or (.[0].Actions | type) != "array" then error("AWS does not say what \($has.kind) \($has.arn) does") else .[0].Actions end
| sort_by(.Order // 0)
| if map(.Type) != $has.actions then error("its actions are \(map(.Type) | join(", ")), not \($has.actions | join(", ")) as expected")
  else . end
| (.[] | select(.Type == "forward") | .ForwardConfig) as $forward
| ($forward.TargetGroups // [] | map(.TargetGroupArn)) as $groups
| if ($groups | sort) != ([$has.places[]] | sort) then error(
    "it forwards to \($groups | if . == [] then "one target group" else join(", ") end), not to exactly \([$has.places[]] | join(", "))")
  elif any($forward.TargetGroups[]; .Weight | type != "number" or . < 0) then error("a target group has no weight")
  elif all($forward.TargetGroups[]; .Weight == 0) then error("every target group has weight 0: nothing is served")
  else {actions: ., $forward, weights: ($forward.TargetGroups | map({(.TargetGroupArn): .Weight}) | add)} end'
found() {
  local said
  said=$(describe | actions) || refuse "AWS does not say what $kind $arn does"
  said=$(jq -ce --argjson has "$settings" "$known" <<<"$said" 2>&1) || refuse "$kind $arn: $(plain "$said")"
  printf '%s\n' "$said"
}

# All groups are asked at once. A call that failed says nothing, so that its group is missed below.
members() {
  local place group fd all='' fds=() ids addresses='{}'
  while read -r place group; do
    exec {fd}< <(call elbv2 describe-target-health --target-group-arn "$group" | jq -c --arg place "$place" \
      '{place: $place, targets: [.TargetHealthDescriptions[] | select(.TargetHealth.State != "draining")]}')
    fds+=("$fd")
  done < <(jq -r '.places | to_entries[] | "\(.key) \(.value)"' <<<"$settings")
  for fd in "${fds[@]}"; do all+=$(cat <&"$fd"); done
  [[ $(jq -n '[inputs.place] | length' <<<"$all") -eq ${#fds[@]} ]] || refuse 'AWS does not say which targets a target group has'
  # Targets that are instances are called by their private addresses.
  mapfile -t ids < <(jq -r '.targets[].Target.Id | select(startswith("i-"))' <<<"$all" | sort -u)
  if [[ ${#ids[@]} -gt 0 ]]; then
    addresses=$(call ec2 describe-instances --instance-ids "${ids[@]}" |
      jq -c '[.Reservations[].Instances[] | {(.InstanceId): .PrivateIpAddress}] | add')
  fi
  # A group without a target serves nothing, and says so by a member that is down. "initial", "unused" and "unavailable" are not healthy.
  jq -cs --argjson addresses "$addresses" 'map({(.place): (if .targets == [] then [{name: "no-target", up: false}] else
    .targets | map((.Target.Id as $id | $addresses[$id] // $id) as $ip
      | {name: "\(.Target.Id):\(.Target.Port)", up: (.TargetHealth.State == "healthy")}
      + if $ip | test("^[0-9.]+$") then {address: "http://\($ip):\(.Target.Port)"} elif $ip | test("^[0-9a-fA-F:]+$")
        then {address: "http://[\($ip)]:\(.Target.Port)"} else {} end) end)}) | add' <<<"$all"
}

answer='
($now.weights | add) as $sum | $now.forward.TargetGroupStickinessConfig as $sticky
| {formatVersion: 1, smallestPercent: 0.1, percent: ($has.places | map_values(100 * $now.weights[.] / $sum)), $members}
+ if $sticky.Enabled != true then {} else (
  "stickiness of the target groups is on: clients with the cookie AWSALBTG stay \($sticky.DurationSeconds) s where they are, at weight 0 too, "
  + "and no rollback moves them; turn it off" | {sticky: "cookie AWSALBTG", unusable: ., trouble: [.]}) end'

# Weights are 0 to 999 and the parts of 1000 that the percentages are; 1000 of 1000 is 999 against 0.
split='
def tenths: . as $n | ($n * 10 | round) | if . / 10 - $n | fabs < 1e-9 then . else error("\($n) % is no multiple of 0.1") end;
if (.percent | type) != "object" or (.percent | keys) != ($has.places | keys) then error("the places are not \($has.places | keys | join(", "))")
elif any(.percent[]; type != "number" or . < 0) then error("a share below zero")
elif ([.percent[] | tenths] | add) != 1000 then error("the shares do not sum to 100")
else .percent as $percent | $has.places | with_entries({key: .value, value: ([$percent[.key] | tenths, 999] | min)}) end'

# AWS never shows the secret of an OIDC client, and takes the actions without it only if it is told to keep it.
carried='
$now.actions | map(if .Type == "forward" then del(.TargetGroupArn) | .ForwardConfig.TargetGroups |= map(.Weight = $weights[.TargetGroupArn])
  elif .Type == "authenticate-oidc" then .AuthenticateOidcConfig |= (del(.ClientSecret) | .UseExistingClientSecret = true) else . end)'

case $verb in
read)
  now=$(found)
  members=$(members)
  jq -nce --argjson has "$settings" --argjson now "$now" --argjson members "$members" "$answer"
  ;;
set)
  weights=$(jq -ce --argjson has "$settings" "$split" <<<"$input" 2>&1) || refuse "$(plain "$weights")"
  now=$(found)
  # Always written, also if it seems to be so already: what AWS just read may be older than what it was last told.
  new=$(jq -nce --argjson has "$settings" --argjson now "$now" --argjson weights "$weights" "$carried")
  said=$(modify file:///dev/stdin <<<"$new" | actions)
  said=$(jq -ce --argjson has "$settings" "$known" <<<"$said" 2>&1) || refuse "$kind $arn: $(plain "$said")"
  jq -ne --argjson said "$said" --argjson weights "$weights" '$said.weights == $weights' >/dev/null ||
    refuse 'AWS says other weights than it was told'
  ;;
identify)
  caller=$(call sts get-caller-identity | jq -er .Account)
  [[ $caller == "$account" ]] || refuse "these are credentials of account $caller, and $arn is in another one"
  call elbv2 describe-tags --resource-arns "$balancer" | jq -ce --argjson has "$settings" '
    [.TagDescriptions[] | select(.ResourceArn == $has.balancer) | .Tags[] | select(.Key == $has.environmentTag) | .Value]
    | if length == 1 then {formatVersion: 1, environment: .[0]} else error("\($has.balancer) has no tag \($has.environmentTag)") end'
  ;;
*) refuse "it is read, set or identify, not $verb" ;;
esac
