#!/bin/sh
# A store whose embedder is an endpoint: whatever the endpoint does, writes are kept and found by their words, what is pending is told, and
# is made once the endpoint is well; over TLS, certificates are verified, and the key is seen by the endpoint alone.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
key=sk-this-must-stay-secret-4711

begin_server() { # [CERTIFICATE KEY]
    rm -f port
    python3 "$here/../support/embed_endpoint.py" "$@" & server=$!
    trap 'kill $server' EXIT
    while [ ! -f port ]; do
        kill -0 $server || return 1
        sleep 0.1
    done
}

# Scheme, address, more settings.
settings() {
    cat >config.json <<END
{"embedder":"openai","embedder_config":{"base_url":"$1://$2:$(cat port)/v1","model":"m","dimension":2,"attempts":1,"key_file":"$PWD/key"$3}}
END
    (umask 077 && echo $key >key)
}

secret_kept() { # in what is shown, and in what is stored
    ! grep -rl $key out err store
}

# HOW MESSAGE [MORE SETTINGS]: a record is written while the endpoint behaves like this; later it is well.
behaves() {
    begin_server && settings http 127.0.0.1 "$3" && echo "$1" >how || return 1
    [ "$1" = away ] && kill $server && wait $server
    ok --config config.json add "a blue bicycle" --id bike && secret_kept &&
        ok --config config.json search bicycle --json && prints '"bike"' '"vectors_pending":1' && grep -Eq "$2" err && secret_kept &&
        run --config config.json search bicycle --wait && complains 3 "$2" && secret_kept &&
        run --config config.json reembed && complains 3 "$2" && secret_kept &&
        ok --config config.json stats && prints '^vectors_pending +1' '^vectors +0' || return 1
    echo good >how
    [ "$1" != away ] || begin_server || return 1
    settings http 127.0.0.1 '' && ok --config config.json reembed && ok --config config.json stats && prints '^vectors_pending +0' '^vectors +1' &&
        ok --config config.json search bicycle --wait --explain --json && prints '"bike"' '"cosine"' && prints_not vectors_pending && secret_kept && ok verify
}
away() { behaves away 'cannot be reached'; }
slow() { behaves slow 'no answer|time' ',"timeout":1'; }
busy() { behaves 429 'HTTP 429'; }
broken() { behaves 500 'HTTP 500'; }
garbage() { behaves garbage 'JSON'; }
dimension() { behaves dimension '3.*2|2.*3'; }
nan() { behaves nan 'JSON|number|finite'; }

certificate() { # NAME SUBJECTALTNAME: signed by the authority
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" &&
        echo "subjectAltName=$2" >"$1.ext" &&
        openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem"
}

authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.pem" -days 2 -subj "/CN=$1"
}

# CERTIFICATE'S NAMES, MORE SETTINGS: an endpoint over TLS, and a record to embed.
begin_tls() {
    authority ca && authority other && certificate server "$1" && begin_server server.pem server.key && settings https 127.0.0.1 "$2" && echo good >how &&
        ok --config config.json add "a blue bicycle" --id bike
}

# No byte of a request came, and the record waits.
refused() {
    run --config config.json reembed && complains 3 "certificate" && secret_kept && [ ! -e seen ] &&
        ok --config config.json stats && prints '^vectors_pending +1' && ok --config config.json search bicycle && prints bike && secret_kept && [ ! -e seen ]
}

accepted() {
    ok --config config.json reembed && secret_kept && grep -q "^good Bearer $key\$" seen && ok --config config.json stats && prints '^vectors_pending +0' && secret_kept
}

verified() {
    begin_tls 'IP:127.0.0.1' ",\"authorities\":\"$PWD/ca.pem\"" && accepted
}
by_environment() {
    begin_tls 'IP:127.0.0.1' '' && SSL_CERT_FILE=$PWD/ca.pem && export SSL_CERT_FILE && accepted
}
wrong_authority() {
    begin_tls 'IP:127.0.0.1' ",\"authorities\":\"$PWD/other.pem\"" && refused
}
unknown_authority() {
    begin_tls 'IP:127.0.0.1' '' && refused
}
wrong_host() {
    begin_tls 'DNS:elsewhere.example,IP:127.0.0.2' ",\"authorities\":\"$PWD/ca.pem\"" && refused
}

if command -v python3 >/dev/null; then
    check a_record_waits_for_an_endpoint_that_is_away away
    check a_record_waits_for_one_that_does_not_answer slow
    check a_record_waits_for_one_that_is_busy busy
    check a_record_waits_for_one_that_fails broken
    check a_record_waits_for_one_that_answers_garbage garbage
    check a_record_waits_for_one_with_vectors_of_another_length dimension
    check a_record_waits_for_one_with_no_numbers nan
else
    skip endpoints_that_fail "there is no python3"
fi
if command -v python3 >/dev/null && command -v openssl >/dev/null; then
    check a_verified_certificate_is_accepted verified
    check authorities_of_the_environment_count by_environment
    check a_certificate_of_another_authority_is_refused wrong_authority
    check a_certificate_of_nobody_known_is_refused unknown_authority
    check a_certificate_of_another_host_is_refused wrong_host
else
    skip certificates "python3 and openssl are not here"
fi
finish
