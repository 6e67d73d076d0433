# The real clients, for .ci/clients and .ci/clients_and_servers, which source this file.
#
# Needs "room", a folder for what is temporary, and "names": those that are wanted, or none for all. A client that cannot
# run here is named, and "status" is 77.

JSCEP_CLIENT=2.5.6
PYSCEP=0.0.14
SCEPREQ=0.1.1
# oscrypto 1.3.0 cannot read the version of OpenSSL 3.0.10 and later: the libraries of this package are of 1.1.1.
OPENSSL=psycopg2-binary==2.9.5

wanted() { [ "${#names[@]}" -eq 0 ] || [[ " ${names[*]} " == *" $1 "* ]]; }

missing() {
  echo "$1: not run: $2"
  [ "$status" -ne 0 ] || status=77
}

# debian NAME PROGRAM VISIT [OPTIONS...]: a client whose wrapper comes along
debian() {
  local name=$1 program=$2 visit=$3
  shift 3
  wanted "$name" || return 0
  if command -v "$program" >/dev/null; then
    "$visit" "$name" "$name" "$@"
  else
    missing "$name" "$program is not installed"
  fi
}

# python NAME VISIT PACKAGE...: an environment of its own, with the wrapper of examples/clients
python() {
  local name=$1 visit=$2 libraries
  shift 2
  wanted "$name" || return 0
  python3 -m venv "$room/$name"
  if ! "$room/$name/bin/pip" install -q "$@" "$OPENSSL"; then
    missing "$name" "it could not be installed"
    return 0
  fi
  libraries=$(echo "$room/$name"/lib/python3*/site-packages/psycopg2_binary.libs)
  "$visit" "$name" "env OSCRYPTO_LIBCRYPTO=$(echo "$libraries"/libcrypto*) OSCRYPTO_LIBSSL=$(echo "$libraries"/libssl*)\
 $room/$name/bin/python $PWD/examples/clients/pyscep.py"
}

# each_client VISIT: VISIT NAME COMMAND [OPTIONS OF EXAMINE...] for every client that can run here
each_client() {
  local visit=$1
  debian printer mfp-sim "$visit"
  debian scepclient scepclient "$visit" --ca 'profile: lenient'
  debian strongswan pki "$visit" --ca 'profile: lenient'
  debian certmonger getcert "$visit" --ca 'profile: lenient'
  if wanted jscep; then
    if ! command -v mvn >/dev/null; then
      missing jscep "Maven is not installed"
    else
      cp -r examples/clients/jscep "$room/jscep-client"
      (cd "$room/jscep-client" && mvn -q -B -Djscep="$JSCEP_CLIENT" package dependency:copy-dependencies)
      "$visit" jscep "sh $room/jscep-client/client"
    fi
  fi
  python pyscep "$visit" "PyScep==$PYSCEP" requests asn1crypto cryptography oscrypto csrbuilder certbuilder six
  python scepreq "$visit" "scepreq==$SCEPREQ"
}
