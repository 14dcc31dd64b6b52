# Makes a folder with an authority, a certificate of it for localhost, and an authority
# that has nothing to do with either. Read by the tests of every server that speaks TLS.
certify() { # certify FOLDER
    mkdir -p "$1" && cd "$1" || exit 1
    for authority in ours theirs; do
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$authority" -keyout $authority.key -out $authority.crt
    done
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
    echo subjectAltName=DNS:localhost >names
    openssl x509 -req -in server.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 30 -extfile names -out server.crt
    chmod 600 server.key
    cd /
}
