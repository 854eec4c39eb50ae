"""Evaluates a Tiltfile without Tilt, and prints what it declares as a list of JSON objects: the function, and its arguments.

A Tiltfile is Starlark, which is valid Python. Each function here has the parameters of Tilt's own, so that a misspelt one fails here
as it would there; `local` runs its command. With a second argument the Tiltfile is told that this is the system on which it runs.
"""

import inspect
import json
import os
import subprocess
import sys

declared = []


def declare(function):
    """Makes a function note its call, under its own name and with the arguments that were given."""
    signature = inspect.signature(function)

    def call(*positional, **named):
        arguments = dict(signature.bind(*positional, **named).arguments)
        answer = function(*positional, **named)
        declared.append({"function": function.__name__, **arguments})
        return answer

    return call


@declare
def local_resource(name, cmd="", deps=None, trigger_mode=None, resource_deps=[], ignore=[], auto_init=True, serve_cmd="", cmd_bat="",
                   serve_cmd_bat="", links=[], labels=[], env={}, serve_env={}, readiness_probe=None, allow_parallel=False, dir="",
                   serve_dir=""):
    pass


@declare
def docker_build(ref, context, build_args={}, dockerfile="Dockerfile", dockerfile_contents="", live_update=[], match_in_env_vars=False,
                 ignore=[], only=[], entrypoint=[], target="", ssh="", network="", secret="", extra_tag="", container_args=None,
                 cache_from=[], pull=False, platform="", extra_hosts=[]):
    pass


@declare
def docker_build_with_restart(ref, context, entrypoint, live_update, base_suffix="", restart_file="", trigger=None,
                              exit_policy="restart", dockerfile="Dockerfile", only=[], ignore=[], build_args={}):
    if not live_update:
        raise TypeError("docker_build_with_restart wants at least one step")


@declare
def k8s_yaml(yaml, allow_duplicates=False):
    pass


@declare
def k8s_resource(workload="", new_name="", port_forwards=[], extra_pod_selectors=[], trigger_mode=None, resource_deps=[], objects=[],
                 auto_init=True, pod_readiness="", links=[], labels=[], discovery_strategy=""):
    pass


@declare
def cmd_button(name, resource="", argv=[], text=None, location="resource", icon_name=None, icon_svg=None, inputs=[], disabled=False,
               requires_confirmation=False, env=[], dir=""):
    if not argv or not resource:
        raise TypeError("cmd_button wants argv and a resource")


@declare
def helm(pathToChartDir, name="", namespace="", values=[], set=[], kube_version="", skip_crds=False):
    return {"chart": pathToChartDir, "values": values}


def sync(local_path, remote_path):
    return {"sync": [local_path, remote_path]}


def link(url, name=""):
    return {"url": url, "name": name}


def local(command, quiet=False, command_bat="", echo_off=False, env={}, dir="", stdin=None):
    if command == "uname -s" and len(sys.argv) > 2:
        return f"{sys.argv[2]}\n"
    return subprocess.run(command, shell=isinstance(command, str), check=True, capture_output=True, text=True).stdout


def load(path, *names):
    if not path.startswith("ext://") or not all(name in globals() for name in names):
        raise NameError(f"{path} does not have all of {names}")


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(sys.argv[1])))
    with open(sys.argv[1], encoding="utf-8") as file:
        exec(compile(file.read(), sys.argv[1], "exec"))
    json.dump(declared, sys.stdout)
