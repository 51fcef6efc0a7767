#!/usr/bin/env bash
# Tests Kiln end to end on the cluster that KUBECONFIG names: installs k8s/ there in namespaces of its own, runs the tests of
# Tests/EndToEndTests/RealCluster, and removes everything, also when it fails or is interrupted.
#
# The environment, each with its default:
#   IMAGE=kiln:dev        Kiln's own image as the nodes pull it
#   REGISTRY=             a registry as the cluster calls it; without one, one is started in the cluster
#   REGISTRY_PLAIN_HTTP=  anything: REGISTRY is spoken to without TLS
#   NODE_REGISTRY=        that registry as the nodes call it, where that differs
#   REGISTRY_IMAGE=docker.io/library/registry:2.8.3
#   FILTER=               only tests whose names match this regular expression
#   KEEP=                 anything: leave all of it in the cluster, and say how to go on and how to remove it
#   KILN_TEST_KUBERNETES= a name of namespaces that KEEP left: they are used again and left again
set -euo pipefail
cd "$(dirname "$0")/../.."
here=scripts/test-kubernetes
image=${IMAGE:-kiln:dev}
registry=${REGISTRY:-}
plain=$([ -n "${REGISTRY_PLAIN_HTTP:-}" ] && echo true || echo false)
registry_image=${REGISTRY_IMAGE:-docker.io/library/registry:2.8.3}
given=${KILN_TEST_KUBERNETES:-}
name=${given:-kiln-test-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')}
system=$name-system functions=$name-functions client=$name-client
definitions=(functions.kiln.dev functionrevisions.kiln.dev)
made_definitions=
work=
child=

say() { printf '%s\n' "$*" >&2; }

# Sets the texts that are not the same in each run: the namespaces and the registry's port.
named() {
    sed -E "s/\bkiln-test\b/$name/g; s/\bkiln-system\b/$system/g; s/\bkiln-functions\b/$functions/g
        s/\bkiln-client\b/$client/g; s/\b30500\b/${port:-30500}/g"
}

diagnose() {
    say "--- What was there when it failed:"
    {
        kubectl get pods -n "$system" -o wide
        kubectl get pods,functions -n "$functions" -o wide
        kubectl get events -n "$functions" --sort-by=.lastTimestamp | tail -n 30
        local role
        for role in builder deployer router; do
            echo "--- log of $role"
            kubectl logs -n "$system" -l "app.kubernetes.io/component=$role" --all-containers --prefix --tail 60
        done
    } >.build/test-kubernetes-state.log 2>&1 || true
    say "--- It is in .build/test-kubernetes-state.log"
}

clean() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    [ -z "$child" ] || { kill -TERM -- "-$child" 2>/dev/null && wait "$child" 2>/dev/null; } || true
    [ -z "$work" ] || rm -rf "$work"
    [ "$status" -eq 0 ] || [ "$status" -eq 130 ] || diagnose
    if [ -n "${KEEP:-}$given" ]; then
        say "Left in the cluster. Run on it again: KILN_TEST_KUBERNETES=$name make test-kubernetes"
        say "Remove it: kubectl delete namespace $functions $client $system"
        exit "$status"
    fi
    say "Removing the namespaces $name-…"
    # Accepted first, awaited then: whoever interrupts the waiting leaves nothing behind.
    kubectl delete namespace --ignore-not-found --wait=false "$functions" "$client" "$system" >/dev/null || status=1
    kubectl wait --for=delete --timeout=180s "namespace/$functions" "namespace/$client" "namespace/$system" \
        >/dev/null || { say "They are still being removed."; status=1; }
    if [ -n "$made_definitions" ]; then
        if [ -z "$(kubectl get functions.kiln.dev -A -o name)" ]; then
            kubectl delete crd --ignore-not-found "${definitions[@]}" >/dev/null || status=1
        else
            say "The definitions stay: meanwhile somebody else has functions."
        fi
    fi
    exit "$status"
}

interrupted() { exit 130; }

# A kustomization as a user would write it, on the manifests as they are: two of Deployer and Router, as in production.
overlay() {
    local base
    base=$(realpath --relative-to="$work" k8s)
    cat <<END
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- $base/base
replicas:
- {name: kiln-builder, count: 1}
- {name: kiln-checker, count: 1}
- {name: kiln-deployer, count: 2}
- {name: kiln-router, count: 2}
images:
- name: kiln
END
    named_image "$image"
    echo "- name: docker.io/library/registry"
    named_image "$registry_image"
    if [ -n "$registry" ]; then
        # Below `kiln` where no path is named, as the Builder pushes it, with the tag of the component.
        echo "- name: kiln-base"
        named_image "$(below "${NODE_REGISTRY:-$registry}")/base:$(sed -n 's/^ *newTag: //p' k8s/components/registry/kustomization.yaml)"
    else
        printf 'components:\n- %s/components/registry\n' "$base"
    fi
    cat <<END
patches:
# So that it fits on a node of two cores, beside what runs there.
- target: {kind: Deployment}
  patch: |-
    - {op: replace, path: /spec/template/spec/containers/0/resources/requests/cpu, value: 10m}
- target: {kind: Deployment, name: kiln-deployer}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: KILN_NAMESPACE, value: kiln-functions}}
- target: {kind: Deployment, name: kiln-router}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: KILN_NAMESPACE, value: kiln-functions}}
END
    if [ -z "$made_definitions" ]; then
        local definition
        for definition in "${definitions[@]}"; do
            printf -- '- patch: |-\n    $patch: delete\n    apiVersion: apiextensions.k8s.io/v1\n'
            printf '    kind: CustomResourceDefinition\n    metadata: {name: %s}\n' "$definition"
        done
    fi
    if [ -n "$registry" ]; then
        local role
        for role in builder deployer; do
            cat <<END
- target: {kind: Deployment, name: kiln-$role}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: KILN_REGISTRY, value: "$registry"}}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: KILN_REGISTRY_PLAIN_HTTP, value: "$plain"}}
END
        done
        cat <<END
- target: {kind: Deployment, name: kiln-deployer}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: KILN_NODE_REGISTRY, value: "${NODE_REGISTRY:-$registry}"}}
# Where it is nobody knows here.
- target: {kind: NetworkPolicy, name: kiln-(builder|deployer)}
  patch: |-
    - {op: add, path: /spec/egress/-, value: {ports: [{port: $(port_of "$registry")}]}}
END
    else
        cat <<END
# What a test pushed need not outlive it.
- patch: |-
    \$patch: delete
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: kiln-registry, namespace: kiln-system}
- target: {kind: Deployment, name: kiln-registry}
  patch: |-
    - {op: replace, path: /spec/template/spec/volumes/0, value: {name: data, emptyDir: {sizeLimit: 8Gi}}}
END
    fi
}

# Where images are in a registry HOST[:PORT][/PATH].
below() { [[ $1 == */* ]] && echo "$1" || echo "$1/kiln"; }

# The port of HOST[:PORT][/PATH].
port_of() {
    local host=${1%%/*}
    [[ $host == *:* ]] && echo "${host##*:}" || echo 443
}

# The lines of kustomize for an image NAME[:TAG][@DIGEST].
named_image() {
    local text=$1 last
    if [[ $text == *@* ]]; then
        printf '  newName: %s\n  digest: %s\n' "${text%@*}" "${text#*@}"
        return
    fi
    last=${text##*/}
    if [[ $last == *:* ]]; then
        printf '  newName: %s\n  newTag: "%s"\n' "${text%:*}" "${last##*:}"
    else
        printf '  newName: %s\n  newTag: latest\n' "$text"
    fi
}

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

install() {
    say "Installing Kiln ($image) in the namespaces $system, $functions and $client …"
    if kubectl get crd "${definitions[@]}" >/dev/null 2>&1; then
        if ! kubectl diff -f k8s/base/functions.yaml -f k8s/base/functionrevisions.yaml >"$work/diff" 2>/dev/null; then
            say "The definitions in the cluster are others than those of k8s/base. They are used as they are."
        fi
    else
        made_definitions=yes
    fi
    named <k8s/base/namespaces.yaml | kubectl apply -f - >/dev/null
    named <"$here/client.yaml" | kubectl create --save-config -f - >/dev/null
    kubectl label namespace "$system" "$functions" kiln.dev/test="$name" >/dev/null
    kubectl -n "$client" create configmap client --from-file="$here/client.js" >/dev/null
    kubectl -n "$system" create secret generic kiln-tokens --from-literal=internal="$(random)" \
        --from-literal=management="$(random)" >/dev/null
    if [ -z "$registry" ]; then
        # The cluster picks a port that is free, and keeps it when the rest is said.
        kubectl apply -f - >/dev/null <<END
apiVersion: v1
kind: Service
metadata: {name: kiln-registry, namespace: $system}
spec:
  type: NodePort
  selector: {app.kubernetes.io/name: kiln, app.kubernetes.io/component: registry}
  ports: [{name: http, port: 5000, targetPort: http}]
END
        port=$(kubectl -n "$system" get service kiln-registry -o 'jsonpath={.spec.ports[0].nodePort}')
    fi
    overlay >"$work/kustomization.yaml"
    kubectl kustomize "$work" >"$work/plain.yaml"
    named <"$work/plain.yaml" >"$work/built.yaml"
    ! grep -E '(kiln-system|kiln-functions)\b' "$work/built.yaml" | grep -v "$name" >&2 \
        || { say "These would touch other namespaces."; exit 1; }
    kubectl apply -f "$work/built.yaml" >/dev/null
    kubectl -n "$system" rollout status deployment --timeout=180s >/dev/null
    # It runs in the image that the checker runs in.
    kubectl -n "$client" set image deployment/client \
        "client=$(kubectl -n "$system" get deployment kiln-checker -o 'jsonpath={.spec.template.spec.containers[0].image}')" >/dev/null
    kubectl -n "$client" scale deployment/client --replicas=1 >/dev/null
    kubectl -n "$client" rollout status deployment --timeout=120s >/dev/null
}

command -v kubectl >/dev/null || { say "kubectl is missing."; exit 2; }
kubectl version >/dev/null 2>&1 || { say "No cluster answers. KUBECONFIG names the file that says where one is."; exit 2; }
trap clean EXIT
trap interrupted INT TERM HUP
mkdir -p .build
work=$(mktemp -d .build/kubernetes-XXXXXX)
[ -n "$given" ] || install

say "Testing on the cluster …"
# A job of its own, so that it can be ended with all it started.
set -m
KILN_TEST_KUBERNETES=$name swift test --skip-build --no-parallel --filter "${FILTER:-EndToEndTests.RealCluster}" </dev/null &
child=$!
set +m
status=0
wait "$child" || status=$?
child=
exit "$status"
