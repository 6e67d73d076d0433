# The real servers, for .ci/servers and .ci/clients_and_servers, which source this file.
#
# Needs "room", a folder for what is temporary, and "secret", the challenge password. Debian's scepserver has to be
# installed (package scep). Servers from Go modules need Go, those of jscep and XiPKI a JDK and Maven; without these that
# is said, and "status" is 77.

MICROMDM=v2.3.0
STEP_CA=v0.30.2
STEP_CA_BEFORE=v0.26.1
JSCEP=2.5.6
XIPKI=6.5.3
server=

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

scepserver_of_debian() { start_scepserver "$(command -v scepserver)" "$@"; }
scepserver_of_module() { start_scepserver "$room/bin/scepserver" "$@"; }

start_scepserver() {
  "$1" ca -init -depot "$2" -keySize 2048 >"$2.log" 2>&1
  "$1" -depot "$2" -port "$3" -challenge "$secret" -allowrenew 0 >>"$2.log" 2>&1 &
  server=$!
}

start_step_ca() {
  python3 .ci/step_ca.py "$1" "$2" "$room/secret" "${@:3}"
  STEPPATH=$1 "$room/bin/step-ca" "$1/ca.json" >"$1.log" 2>&1 &
  server=$!
}
step_ca_as_it_comes() { start_step_ca "$@" --as-it-comes; }

start_jscep() { start_java jscep JscepServer "$@"; }
start_xipki() { start_java xipki XipkiServer "$@"; }

start_java() {
  local target=$room/$1-server/target
  java -cp "$target/$1-server-1.jar:$target/dependency/*" "$2" "$4" "$room/secret" >"$3.log" 2>&1 &
  server=$!
}

# module PACKAGE@VERSION: builds it, without C
module() { GOBIN=$room/bin CGO_ENABLED=0 go install "$1"; }

# at NAME START PATH VISIT [OPTIONS...]: a new server by the function START, a visit (VISIT NAME URL OPTIONS...), and the
# server's end. START gets the folder and the port, starts the server in the background and sets "server".
at() {
  local name=$1 start=$2 path=$3 visit=$4 port code=0
  shift 4
  port=$(free_port)
  "$start" "$room/$name" "$port"
  for _ in $(seq 600); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
  done
  "$visit" "$name" "http://127.0.0.1:$port$path" "$@" || code=$?
  kill "$server" || true
  wait "$server" 2>/dev/null || true
  server=
  [ "$code" -eq 0 ] || status=1
}

absent() {
  echo "$1"
  [ "$status" -ne 0 ] || status=77
}

broken() {
  echo "$1"
  status=1
}

# of_maven NAME VERSION START VISIT: builds the CA of .ci/NAME_server around a version of the library, and visits it
of_maven() {
  local name=$1 version=$2 start=$3 visit=$4
  if ! command -v mvn >/dev/null; then
    absent "Maven is not installed: $name $version was not run"
  elif cp -r ".ci/${name}_server" "$room/$name-server" &&
    (cd "$room/$name-server" && mvn -q -B "-D$name=$version" package dependency:copy-dependencies); then
    at "$name-$version" "$start" /scep "$visit"
  else
    broken "$name $version could not be built"
  fi
}

# each_server VISIT: every server that can run here
each_server() {
  local visit=$1
  at micromdm-2.1.0 scepserver_of_debian /scep "$visit"
  if ! command -v go >/dev/null; then
    absent "Go is not installed: micromdm $MICROMDM and step-ca were not run"
  else
    if module "github.com/micromdm/scep/v2/cmd/scepserver@$MICROMDM"; then
      # The check that is skipped ends the process of this version: see reports/servers/README.md.
      at "micromdm-$MICROMDM" scepserver_of_module /scep "$visit" --skip refuses-unknown-types
    else
      broken "micromdm $MICROMDM could not be built"
    fi
    if module "github.com/smallstep/certificates/cmd/step-ca@$STEP_CA_BEFORE"; then
      at "step-ca-$STEP_CA_BEFORE" start_step_ca /scep/scep "$visit"
    else
      broken "step-ca $STEP_CA_BEFORE could not be built"
    fi
    if module "github.com/smallstep/certificates/cmd/step-ca@$STEP_CA"; then
      at "step-ca-$STEP_CA" start_step_ca /scep/scep "$visit"
      at "step-ca-$STEP_CA-as-it-comes" step_ca_as_it_comes /scep/scep "$visit"
    else
      broken "step-ca $STEP_CA could not be built"
    fi
  fi
  of_maven jscep "$JSCEP" start_jscep "$visit"
  of_maven xipki "$XIPKI" start_xipki "$visit"
}
