// The real Temporal server, in memory, for tests that compare ours with it.
//
//	go run . [-set KEY=VALUE]...
//
// Prints one JSON line, {"http":"127.0.0.1:PORT","temporal":"127.0.0.1:PORT"}, when it is ready, and runs until its standard input ends or a
// signal comes.
// The namespace "default" is registered. -set overrides one key of the server's dynamic configuration; VALUE is JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/testing/freeport"
	"go.temporal.io/server/temporal"
	"go.temporal.io/server/temporaltest"
	"google.golang.org/protobuf/types/known/durationpb"
)

func main() {
	settings := dynamicconfig.StaticClient{
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): []dynamicconfig.ConstrainedValue{{Value: true}},
	}
	// A test may ask as often as it likes: the limits of a namespace in production are 10 lists a second, say. The global ones win where they
	// are set, as temporaltest does for some.
	for _, limit := range []string{
		"frontend.namespaceRPS", "frontend.globalNamespaceRPS",
		"frontend.namespaceRPS.visibility", "frontend.globalNamespaceRPS.visibility",
		"frontend.namespaceRPS.namespaceReplicationInducingAPIs", "frontend.globalNamespaceRPS.namespaceReplicationInducingAPIs",
	} {
		settings[dynamicconfig.MakeKey(limit)] = []dynamicconfig.ConstrainedValue{{Value: 100_000}}
	}
	if err := override(settings, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
	http, listen := frontendHTTP()
	server := temporaltest.NewServer(temporaltest.WithBaseServerOptions(temporal.WithDynamicConfigClient(settings), listen))
	defer server.Stop()
	if err := registerDefault(server); err != nil {
		log.Fatal(err)
	}
	ready, _ := json.Marshal(map[string]string{"http": http, "temporal": server.GetFrontendHostPort()})
	fmt.Println(string(ready))
	wait()
}

// frontendHTTP gives the address of the frontend's HTTP face, and the option that makes it listen there. The history service sends Nexus
// requests by it, so without it no operation ever reaches its handler. temporaltest leaves it off, and has no option for it; but the function
// that makes a claim mapper is given the configuration before anything is started from it.
func frontendHTTP() (string, temporal.ServerOption) {
	port := freeport.MustGetFreePort()
	option := temporal.WithClaimMapper(func(cfg *config.Config) authorization.ClaimMapper {
		frontend := cfg.Services["frontend"]
		frontend.RPC.HTTPPort = port
		cfg.Services["frontend"] = frontend
		return authorization.NewNoopClaimMapper()
	})
	return fmt.Sprintf("127.0.0.1:%d", port), option
}

// override reads pairs of "-set" and "KEY=VALUE".
func override(settings dynamicconfig.StaticClient, arguments []string) error {
	for len(arguments) > 0 {
		if arguments[0] != "-set" || len(arguments) < 2 {
			return fmt.Errorf("usage: reference [-set KEY=VALUE]...; got %q", arguments[0])
		}
		key, text, found := strings.Cut(arguments[1], "=")
		if !found {
			return fmt.Errorf("-set wants KEY=VALUE; got %q", arguments[1])
		}
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return fmt.Errorf("the value of %s is not JSON: %w", key, err)
		}
		// JSON has one kind of number. A setting that is a whole one takes no other, and the server says nothing and goes on with its default.
		if number, ok := value.(float64); ok && number == float64(int(number)) {
			value = int(number)
		}
		settings[dynamicconfig.MakeKey(key)] = []dynamicconfig.ConstrainedValue{{Value: value}}
		arguments = arguments[2:]
	}
	return nil
}

// registerDefault registers the namespace that every dev server has.
func registerDefault(server *temporaltest.TestServer) error {
	namespaces, err := client.NewNamespaceClient(client.Options{HostPort: server.GetFrontendHostPort()})
	if err != nil {
		return err
	}
	defer namespaces.Close()
	return namespaces.Register(context.Background(), &workflowservice.RegisterNamespaceRequest{
		Namespace:                        "default",
		WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
}

// wait returns when standard input ends or a signal comes.
func wait() {
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	select {
	case <-over:
	case <-signals:
	}
}
