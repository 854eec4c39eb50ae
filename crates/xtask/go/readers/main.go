// Command readers reads the files of this repository that are written for Docker Compose and for kind, as they would.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

var readers = map[string]func(file string) error{"compose": readCompose, "kind": readKind}

func main() {
	if len(os.Args) != 3 || readers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: readers compose|kind FILE")
		os.Exit(2)
	}
	if err := readers[os.Args[1]](os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func readCompose(file string) error {
	options, err := cli.NewProjectOptions([]string{file})
	if err != nil {
		return err
	}
	_, err = options.LoadProject(context.Background())
	return err
}

// kind's own loader is not for others to use; it decodes as strictly into the same types.
func readKind(file string) error {
	config, err := os.Open(file)
	if err != nil {
		return err
	}
	defer config.Close()
	decoder := yaml.NewDecoder(config)
	decoder.KnownFields(true)
	var cluster v1alpha4.Cluster
	if err := decoder.Decode(&cluster); err != nil {
		return err
	}
	if cluster.APIVersion != "kind.x-k8s.io/v1alpha4" || cluster.Kind != "Cluster" {
		return fmt.Errorf("kind knows no %s of %s", cluster.Kind, cluster.APIVersion)
	}
	return nil
}
