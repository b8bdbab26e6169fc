// A small OpenID provider for tests: on loopback only, with two users and one client.
package main

import (
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// Arguments: port, and the addresses that a browser may be sent back to.
func main() {
	port, redirects := os.Args[1], strings.Split(os.Args[2], ",")
	issuer := "http://localhost:" + port
	storage.RegisterClients(
		storage.WebClient("hanok", "secret", redirects...),
		storage.WebClient("other", "secret", redirects...),
	)
	quiet := slog.New(slog.DiscardHandler)
	users := storage.NewStorage(storage.NewUserStore(issuer))
	router := exampleop.SetupServer(issuer, users, quiet, false)
	panic(http.ListenAndServe("127.0.0.1:"+port, router))
}
