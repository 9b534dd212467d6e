# Pull, push and clone through real servers on this machine: sshd, an https server, git daemon. Keys, certificates and passwords are made
# for the test. Where a server is not installed, its tests are skipped. QUIPU_LONG=1: the exchange of two clones in full.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=init.defaultBranch GIT_CONFIG_VALUE_1=main
export PATH GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_CONFIG_KEY_1 GIT_CONFIG_VALUE_1
unset SSH_AUTH_SOCK GIT_SSL_CAINFO SSL_CERT_FILE XDG_CONFIG_HOME QUIPU_REMOTE_USER QUIPU_REMOTE_PASSWORD QUIPU_SSH_KEY
secret=kingfisher-27
servers=
# shellcheck disable=SC2086,SC2154
trap '[ -z "$servers" ] || kill $servers 2>/dev/null; chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT

on() { # STORE ARGUMENTS: quipu on that store, which has to succeed
    store=$1
    shift
    ok --store "$store" "$@"
}

sound() { # STORES: nothing is damaged, and nothing lies about
    for store; do
        git -C "$store" fsck --strict --no-dangling --no-progress >fsck 2>&1 && [ ! -s fsck ] || {
            cat fsck
            return 1
        }
        on "$store" verify -q || return 1
    done
}

same() { # TWO STORES: hold the same records in the same versions
    git -C "$1" ls-tree -r HEAD records | sort >one.tree && git -C "$2" ls-tree -r HEAD records | sort >two.tree && [ -s one.tree ] &&
        cmp one.tree two.tree
}

unchanged() { # STORE COMMAND...: which fails, and leaves the store as it was
    before=$(git -C "$1" rev-parse HEAD) && shift && "$@" && [ "$(git -C A rev-parse HEAD)" = "$before" ] && sound A
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

await() { # PORT: somebody listens there
    python3 - "$1" <<'END'
import socket, sys, time
for _ in range(100):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit(1)
END
}

# ---- the servers ----

# What answers in place of git: the file `fault` in the server's folder says what goes wrong.
write_service() { # FILE SERVICE [AT THE CUT: a command]
    cat >"$1" <<END
#!/bin/sh
fault=\$(cat "$work/fault" 2>/dev/null)
case \$fault in
cut*) $2 | { dd bs=1 count="\${fault#cut }" 2>/dev/null && ${3:-true}; } ;;
silent) exec sleep 30 ;;
*) exec $2 ;;
esac
END
    chmod +x "$1"
}

start_sshd() {
    port=$(free_port) && user=$(id -un) && mkdir -p "$work/.ssh" && chmod 700 "$work/.ssh" &&
        ssh-keygen -q -t ed25519 -N '' -f "$work/host_key" && ssh-keygen -q -t ed25519 -N '' -f "$work/.ssh/id_ed25519" &&
        cp "$work/.ssh/id_ed25519.pub" "$work/authorized" && write_service "$work/service" 'sh -c "$SSH_ORIGINAL_COMMAND"' 'kill -9 0' || return 1
    [ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
    cat >"$work/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $work/host_key
AuthorizedKeysFile $work/authorized
PidFile $work/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*
ForceCommand $work/service
END
    "$(command -v sshd)" -D -e -f "$work/sshd_config" 2>"$work/sshd.log" &
    servers="$servers $!"
    await "$port" && echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$work/host_key.pub")" >"$work/.ssh/known_hosts" &&
        ssh -q -p "$port" -i "$work/.ssh/id_ed25519" -o UserKnownHostsFile="$work/.ssh/known_hosts" "$user@127.0.0.1" true
}

start_https() {
    web=$(free_port) && mkdir -p "$work/web" && write_service "$work/http.sh" "'$(git --exec-path)/git-http-backend'" &&
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=authority of the test" -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null &&
        openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$work/web.key" -out "$work/web.csr" 2>/dev/null &&
        printf 'subjectAltName=DNS:localhost\n' >"$work/san" &&
        openssl x509 -req -in "$work/web.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 -extfile "$work/san" -out "$work/web.crt" 2>/dev/null &&
        cat "$work/web.key" "$work/web.crt" >"$work/web.pem" && echo "ruth:$secret" >"$work/passwords" || return 1
    cat >"$work/lighttpd.conf" <<END
server.document-root = "$work/web"
server.port = $web
server.bind = "127.0.0.1"
server.errorlog = "$work/lighttpd.log"
server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_redirect", "mod_cgi", "mod_openssl")
ssl.engine = "enable"
ssl.pemfile = "$work/web.pem"
auth.backend = "plain"
auth.backend.plain.userfile = "$work/passwords"
auth.require = ("/git/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
url.redirect = ("^/moved/(.*)" => "https://127.0.0.1:$web/git/\$1")
alias.url = ("/git/" => "$work/http.sh/", "/open/" => "$work/http.sh/")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "$work/web", "GIT_HTTP_EXPORT_ALL" => "1", "GIT_CONFIG_GLOBAL" => "/dev/null",
    "GIT_CONFIG_COUNT" => "2", "GIT_CONFIG_KEY_0" => "safe.directory", "GIT_CONFIG_VALUE_0" => "*",
    "GIT_CONFIG_KEY_1" => "http.receivepack", "GIT_CONFIG_VALUE_1" => "true")
cgi.assign = ("" => "")
END
    lighttpd -D -f "$work/lighttpd.conf" 2>"$work/lighttpd.err" &
    servers="$servers $!"
    await "$web"
}

two() { # a store A, and where the servers see it
    on A add "meets in the harbour" --id x --importance 0.5 && on A add "likes tea" --id y --tag drink
}

# ---- ssh ----

ssh_url() { # a folder below the test's own
    printf 'ssh://%s@127.0.0.1:%s%s/%s' "$user" "$port" "$PWD" "$1"
}

ssh_exchange() {
    two && on B clone "$(ssh_url A)" && same A B && git init -q --bare hub && on B add new --id z && on B push "$(ssh_url hub)" && prints '^sent' &&
        on A pull "$(ssh_url hub)" && same A B && on A update x --tag a && on A push "$(ssh_url hub)" && on B update x --importance 0.9 &&
        on B push "$(ssh_url hub)" && prints '^sent' && on A pull "$(ssh_url hub)" && same A B && on A update y --tag cup && on B pull && prints '^1 revision' &&
        sound A B hub
}

ssh_scp_form() {
    two && git init -q --bare hub && { run --store A push "$user@127.0.0.1:$PWD/hub" || true; } && complains 3 "127.0.0.1"
}

ssh_agent() {
    two && mkdir home && cp -r "$work/.ssh" home/ && mv home/.ssh/id_ed25519 key && eval "$(ssh-agent -a "$PWD/agent.sock")" >/dev/null &&
        agent=$SSH_AGENT_PID && HOME=$PWD/home && export HOME && run --store B clone "$(ssh_url A)" && complains 3 'takes no key of yours' 'ssh-add' &&
        ssh-add -q key 2>/dev/null && ok --store C clone "$(ssh_url A)" && same A C
    outcome=$?
    kill "$agent"
    SSH_AUTH_SOCK=$PWD/gone
    [ $outcome -eq 0 ] && ok --store D clone A && run --store E clone "$(ssh_url A)" && complains 3 'takes no key of yours'
}

ssh_key_file() {
    two && mkdir -p home/.ssh && cp "$work/.ssh/known_hosts" home/.ssh/ && HOME=$PWD/home && export HOME && ssh-keygen -q -t ed25519 -N '' -f other &&
        export QUIPU_SSH_KEY=$PWD/other && run --store B clone "$(ssh_url A)" && complains 3 'takes no key of yours' &&
        QUIPU_SSH_KEY=$work/.ssh/id_ed25519 && ok --store C clone "$(ssh_url A)" && same A C && unset QUIPU_SSH_KEY &&
        cp "$work/.ssh/id_ed25519" home/.ssh/id_ed25519 && ssh-keygen -q -p -N birdsong -f home/.ssh/id_ed25519 >/dev/null &&
        run --store D clone "$(ssh_url A)" && complains 3 'has a passphrase' 'ssh-add' && ssh-keygen -q -p -m PEM -P birdsong -N birdsong -f home/.ssh/id_ed25519 >/dev/null &&
        run --store E clone "$(ssh_url A)" && complains 3 'has a passphrase'
}

ssh_host_key() {
    two && mkdir -p home/.ssh && cp "$work/.ssh/id_ed25519" home/.ssh/ && HOME=$PWD/home && export HOME &&
        run --store B clone "$(ssh_url A)" && complains 3 'known_hosts does not have the key that 127.0.0.1 shows' &&
        grep -qF "$(ssh-keygen -lf "$work/host_key.pub" | cut -d' ' -f2)" err && ssh-keygen -q -t ed25519 -N '' -f other &&
        echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 other.pub)" >home/.ssh/known_hosts && run --store C clone "$(ssh_url A)" &&
        complains 3 'known_hosts does not have the key' && cp "$work/.ssh/known_hosts" home/.ssh/ && ok --store D clone "$(ssh_url A)" && same A D
}

big() { # a store A of 300 records that no compressor makes small
    awk 'BEGIN { srand(7); for (i = 0; i < 300; i++) { t = ""; for (j = 0; j < 40; j++) t = t sprintf("%08x", int(rand() * 4294967295)); printf "{\"id\":\"r%d\",\"text\":\"%s\"}\n", i, t } }' >big
    feed big --store A import --batch 30 -q - && expect_status 0
}

ssh_cut() {
    big && on B add own --id own && before=$(git -C B rev-parse HEAD) && for bytes in 0 3 100 600 5000 20000; do
        echo "cut $bytes" >"$work/fault"
        run --store B pull "$(ssh_url A)" && complains 3 'cannot fetch from ssh' || return 1
    done && [ "$(git -C B rev-parse HEAD)" = "$before" ] && sound B && rm "$work/fault" && on B pull "$(ssh_url A)" && on A pull B && same A B && sound A B
}

ssh_push_cut() {
    big && git init -q --bare hub && on A push "$(ssh_url hub)" && on A add more --id more && for bytes in 0 100; do
        echo "cut $bytes" >"$work/fault"
        run --store A push "$(ssh_url hub)" && complains 3 'cannot push to ssh|was taken' || return 1
    done && rm "$work/fault" && sound A && on A push "$(ssh_url hub)" && on B clone hub && same A B && sound hub
}

ssh_silent() {
    two && echo silent >"$work/fault" && echo '{"backend_config":{"network_timeout":1}}' >quick.json &&
        run --store A --config quick.json pull "$(ssh_url A)" && complains 3 'said nothing for 1 seconds' &&
        run --store A --config quick.json push "$(ssh_url A)" && complains 3 'said nothing for 1 seconds' && rm "$work/fault" && sound A
}

ssh_interrupted() { # somebody presses Control-C
    two && echo silent >"$work/fault" && { "$QUIPU" --store A pull "$(ssh_url A)" >out 2>err & } && pulling=$! && sleep 1 && kill -INT $pulling
    kill $pulling 2>/dev/null
    wait $pulling
    rm "$work/fault"
    sound A && on A add z --id z
}

ssh_rejected() {
    two && git init -q --bare hub && printf '#!/bin/sh\necho "no memories on Sundays" >&2\nexit 1\n' >hub/hooks/pre-receive && chmod +x hub/hooks/pre-receive &&
        run --store A push "$(ssh_url hub)" && complains 3 'does not take it: .*declined' 'no memories on Sundays' && sound A &&
        rm hub/hooks/pre-receive && on A push "$(ssh_url hub)" && prints '^sent' && printf '#!/bin/sh\nexit 1\n' >hub/hooks/update && chmod +x hub/hooks/update &&
        on A add z --id z && run --store A push "$(ssh_url hub)" && complains 3 'does not take it: .*declined' && sound A
}

ssh_nothing_there() {
    two && run --store A pull "$(ssh_url nowhere)" && complains 3 'nowhere' && git init -q --bare empty && on A pull "$(ssh_url empty)" && prints 'nothing new' && sound A
}

changes() { # SIDE: records of its own, and some that the other changes too, a commit each
    awk -v side="$1" -v own=$((total - shared)) -v shared=$shared 'BEGIN { for (i = 0; i < own; i++) printf "{\"id\":\"%s%d\",\"text\":\"memory %d of %s\"}\n", side, i, i, side
        for (i = 0; i < shared; i++) printf "{\"id\":\"common%d\",\"text\":\"%s says %d\",\"tags\":[\"%s\"]}\n", i, side, i, side }' >"$1.jsonl"
    feed "$1.jsonl" --store "$1" import --batch 1 -q - && expect_status 0
}

digest() {
    git -C "$1" ls-tree -r HEAD records | sort | sha256sum
}

# 1,000 changes on each side, 200 of them of the same records; without QUIPU_LONG a tenth of that.
ssh_both_ways() {
    if [ "${QUIPU_LONG:-0}" != 0 ]; then total=1000 shared=200; else total=100 shared=20; fi
    awk -v shared=$shared 'BEGIN { for (i = 0; i < shared; i++) printf "{\"id\":\"common%d\",\"text\":\"common %d\"}\n", i, i }' >common
    own=$((total - shared))
    feed common --store A import - && on B clone "$(ssh_url A)" && changes A && changes B && on A pull "$(ssh_url B)" && prints "^$total revisions" "$shared conflicts" &&
        on B pull "$(ssh_url A)" && [ "$(digest A)" = "$(digest B)" ] && on B conflicts --json && [ "$(grep -o '"conflict-of"' out | wc -l)" -eq $shared ] && on B export && cat out >all &&
        [ "$(grep -c '"id":"A[0-9]*"' all)" -eq $own ] && [ "$(grep -c '"id":"B[0-9]*"' all)" -eq $own ] &&
        [ "$(grep -c '"kind":"conflict"' all)" -eq $shared ] && for i in 0 7 19; do
        grep '"kind":"conflict"' all | grep -q "A says $i\"" && grep '"kind":"conflict"' all | grep -q "B says $i\"" || return 1
    done && git -C A merge-base --is-ancestor "$(git -C B rev-parse HEAD)" HEAD && sound A B
}

if ! command -v sshd >/dev/null; then
    skip sync_over_ssh "sshd is not here (openssh-server)"
elif ! command -v python3 >/dev/null || ! start_sshd; then
    sed 's/^/# /' "$work/sshd.log" 2>/dev/null
    skip sync_over_ssh "a login through sshd is not allowed here"
else
    before_ssh=${LSAN_OPTIONS-}
    [ -z "$before_ssh" ] || LSAN_OPTIONS=suppressions=$SOURCE/tests/suppressions/lsan-ssh.supp:print_suppressions=0
    check a_store_is_cloned_pulled_and_pushed_through_ssh ssh_exchange
    check a_host_and_a_path_are_an_ssh_address ssh_scp_form
    check the_keys_of_the_agent_are_shown ssh_agent
    check key_files_are_shown_and_one_with_a_passphrase_is_told ssh_key_file
    check a_host_whose_key_is_not_known_is_refused ssh_host_key
    check a_server_that_dies_while_it_sends_changes_nothing ssh_cut
    check a_server_that_dies_while_it_receives_loses_nothing ssh_push_cut
    check a_server_that_is_silent_is_given_up ssh_silent
    check a_pull_that_is_interrupted_leaves_the_store_as_it_was ssh_interrupted
    check a_push_that_is_refused_says_what_the_other_side_said ssh_rejected
    check a_place_without_a_store_is_told ssh_nothing_there
    check two_clones_that_both_wrote_end_equal_through_ssh ssh_both_ways
    [ -z "$before_ssh" ] || LSAN_OPTIONS=$before_ssh
fi

# ---- https ----

https_url() { # FOLDER [below /git/, which wants a password]
    printf 'https://localhost:%s/%s/%s/%s' "$web" "${2:-git}" "$number" "$1"
}

# The server shows what lies in the test's folder.
shown() {
    ln -s "$PWD" "$work/web/$number" && export GIT_SSL_CAINFO="$work/ca.pem"
}

nowhere_told() { # no output, no configuration and no log has the secret
    ! grep -rqF "$secret" out err A/config A/quipu ./*/config 2>/dev/null && ! git -C A log --format=%B | grep -qF "$secret"
}

https_exchange() {
    shown && two && export QUIPU_REMOTE_USER=ruth QUIPU_REMOTE_PASSWORD=$secret && on B clone "$(https_url A)" && same A B && nowhere_told &&
        git init -q --bare hub && on B add new --id z && on B push "$(https_url hub)" && prints '^sent' && on A pull "$(https_url hub)" && same A B &&
        on A update x --tag a && on B update x --importance 0.9 && on A push "$(https_url hub)" && on B push "$(https_url hub)" && prints '^sent' &&
        on A pull "$(https_url hub)" && same A B && on A add w --id w && on B pull && prints '^1 revision' && nowhere_told && sound A B hub
}

https_without_password() {
    shown && two && on B clone "$(https_url A open)" && same A B
}

https_in_address() {
    shown && two && address=https://ruth:kingfisher%2D27@localhost:$web/git/$number/A && on B clone "$address" && same A B && nowhere_told &&
        [ "$(git -C B config remote.origin.url)" = "$(https_url A)" ] && run --store B pull && complains 3 'wants a password' 'QUIPU_REMOTE_PASSWORD' &&
        run --store B pull "https://ruth:wrong-$secret@localhost:$web/git/$number/A" && complains 3 'does not take the user and the password that the address has' &&
        nowhere_told && run --store B pull "https://ruth:%zz@localhost:$web/x" && complains 2 'badly written'
}

https_credential_store() {
    shown && two && mkdir home && HOME=$PWD/home && export HOME && printf 'https://someone:else@example.org\nhttps://ruth:%s@localhost:%s\n' "$secret" "$web" >home/.git-credentials &&
        on B clone "$(https_url A)" && same A B && mkdir -p home/.config/git && mv home/.git-credentials home/.config/git/credentials && on B pull &&
        rm home/.config/git/credentials && run --store B pull && complains 3 'wants a password' && export QUIPU_REMOTE_PASSWORD=wrong &&
        run --store B pull && complains 3 'does not take the user and the password that QUIPU_REMOTE_PASSWORD has' && nowhere_told
}

https_certificate() {
    shown && two && export QUIPU_REMOTE_USER=ruth QUIPU_REMOTE_PASSWORD=$secret && unset GIT_SSL_CAINFO && run --store B clone "$(https_url A)" &&
        complains 3 'certificate of localhost is not trusted' 'GIT_SSL_CAINFO' && export GIT_SSL_CAINFO="$work/ca.pem" &&
        run --store C clone "https://127.0.0.1:$web/git/$number/A" && complains 3 'certificate of 127.0.0.1 is not trusted' && nowhere_told &&
        unset GIT_SSL_CAINFO && export SSL_CERT_FILE="$work/ca.pem" && on D clone "$(https_url A)" && same A D
}

https_redirect() {
    shown && two && export QUIPU_REMOTE_USER=ruth QUIPU_REMOTE_PASSWORD=$secret && run --store B clone "https://localhost:$web/moved/$number/A" &&
        complains 3 'redirect' && nowhere_told
}

https_cut() {
    shown && big && on B add own --id own && before=$(git -C B rev-parse HEAD) && for bytes in 0 10 300 2000 20000; do
        echo "cut $bytes" >"$work/fault"
        run --store B pull "$(https_url A open)" && complains 3 'cannot fetch from https' || return 1
    done && [ "$(git -C B rev-parse HEAD)" = "$before" ] && sound B && rm "$work/fault" && on B pull "$(https_url A open)" && on A pull B && same A B && sound A B
}

https_silent() {
    shown && two && echo silent >"$work/fault" && echo '{"backend_config":{"network_timeout":1}}' >quick.json &&
        run --store A --config quick.json pull "$(https_url A open)" && complains 3 'said nothing for 1 seconds' && rm "$work/fault" && sound A
}

https_rejected() {
    shown && two && git init -q --bare hub && printf '#!/bin/sh\necho "no memories on Sundays" >&2\nexit 1\n' >hub/hooks/pre-receive && chmod +x hub/hooks/pre-receive &&
        run --store A push "$(https_url hub open)" && complains 3 'does not take it: .*declined' && sound A && rm hub/hooks/pre-receive &&
        on A push "$(https_url hub open)" && prints '^sent' && run --store A pull "$(https_url nowhere open)" && complains 3 'cannot fetch from https.*404' && sound A
}

if ! command -v lighttpd >/dev/null || ! command -v openssl >/dev/null || ! [ -x "$(git --exec-path)/git-http-backend" ] || ! command -v python3 >/dev/null; then
    skip sync_over_https "lighttpd, openssl or git-http-backend is not here"
elif ! start_https; then
    sed 's/^/# /' "$work/lighttpd.err" "$work/lighttpd.log" 2>/dev/null
    skip sync_over_https "lighttpd does not start here (it needs mod_openssl)"
else
    check a_store_is_cloned_pulled_and_pushed_through_https https_exchange
    check what_wants_no_password_is_asked_for_none https_without_password
    check a_password_in_the_address_is_used_and_kept_nowhere https_in_address
    check the_credential_store_of_git_is_read https_credential_store
    check a_certificate_that_is_not_trusted_is_refused https_certificate
    check no_password_follows_a_redirect https_redirect
    check a_web_server_that_dies_changes_nothing https_cut
    check a_web_server_that_is_silent_is_given_up https_silent
    check a_push_that_a_hook_refuses_says_so https_rejected
fi

finish
