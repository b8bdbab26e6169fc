// Walks through the cloud with gophercloud, the library under the Terraform provider and Cluster API:
// a key pair, a network with subnet and router, a security group, a port, a server, a floating IP; and back.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	return value
}

func check(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", what, err)
		os.Exit(1)
	}
	fmt.Println("ok", what)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	options := must(openstack.AuthOptionsFromEnv())
	provider := must(openstack.AuthenticatedClient(ctx, options))
	where := gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}
	compute := must(openstack.NewComputeV2(provider, where))
	compute.Microversion = "2.96"
	network := must(openstack.NewNetworkV2(provider, where))
	image := must(openstack.NewImageV2(provider, where))
	identity := must(openstack.NewIdentityV3(provider, where))

	project := must(projects.Create(ctx, identity, projects.CreateOpts{Name: "gopher", Tags: []string{"a"}}).Extract())
	enabled := false
	must(projects.Update(ctx, identity, project.ID, projects.UpdateOpts{Enabled: &enabled}).Extract())
	check("project", projects.Delete(ctx, identity, project.ID).ExtractErr())

	page := must(images.List(image, images.ListOpts{Name: "cirros"}).AllPages(ctx))
	found := must(images.ExtractImages(page))
	if len(found) != 1 {
		check("image cirros", fmt.Errorf("%d found", len(found)))
	}
	flavorPage := must(flavors.ListDetail(compute, flavors.ListOpts{}).AllPages(ctx))
	flavorID := ""
	for _, one := range must(flavors.ExtractFlavors(flavorPage)) {
		if one.Name == "m1.nano" {
			flavorID = one.ID
		}
	}
	key := must(rsaKey())
	keypair := must(keypairs.Create(ctx, compute, keypairs.CreateOpts{Name: "gopher", PublicKey: key}).Extract())

	up := true
	net := must(networks.Create(ctx, network, networks.CreateOpts{Name: "gopher", AdminStateUp: &up}).Extract())
	subnet := must(subnets.Create(ctx, network, subnets.CreateOpts{
		NetworkID: net.ID, CIDR: "10.77.0.0/24", IPVersion: gophercloud.IPv4, Name: "gopher",
		AllocationPools: []subnets.AllocationPool{{Start: "10.77.0.10", End: "10.77.0.99"}},
	}).Extract())
	isExternal := true
	externalPage := must(networks.List(network, external.ListOptsExt{ListOptsBuilder: networks.ListOpts{}, External: &isExternal}).AllPages(ctx))
	public := must(networks.ExtractNetworks(externalPage))[0]
	router := must(routers.Create(ctx, network, routers.CreateOpts{
		Name: "gopher", GatewayInfo: &routers.GatewayInfo{NetworkID: public.ID},
	}).Extract())
	_, err := routers.AddInterface(ctx, network, router.ID, routers.AddInterfaceOpts{SubnetID: subnet.ID}).Extract()
	check("router interface", err)
	group := must(groups.Create(ctx, network, groups.CreateOpts{Name: "gopher", Description: "ssh"}).Extract())
	_, err = rules.Create(ctx, network, rules.CreateOpts{
		SecGroupID: group.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4,
		Protocol: rules.ProtocolTCP, PortRangeMin: 22, PortRangeMax: 22, RemoteIPPrefix: "0.0.0.0/0",
	}).Extract()
	check("security group rule", err)
	port := must(ports.Create(ctx, network, ports.CreateOpts{
		NetworkID: net.ID, Name: "gopher", SecurityGroups: &[]string{group.ID},
		FixedIPs: []ports.IP{{SubnetID: subnet.ID, IPAddress: "10.77.0.50"}},
	}).Extract())

	server := must(servers.Create(ctx, compute, keypairs.CreateOptsExt{
		CreateOptsBuilder: servers.CreateOpts{
			Name: "gopher", ImageRef: found[0].ID, FlavorRef: flavorID,
			Networks: []servers.Network{{Port: port.ID}}, UserData: []byte("#!/bin/sh\ntrue\n"),
			Metadata: map[string]string{"by": "gopher"}, Tags: []string{"go"},
		},
		KeyName: keypair.Name,
	}, servers.SchedulerHintOpts{}).Extract())
	check("server becomes ACTIVE", servers.WaitForStatus(ctx, compute, server.ID, "ACTIVE"))
	server = must(servers.Get(ctx, compute, server.ID).Extract())
	if server.Metadata["by"] != "gopher" || server.KeyName != "gopher" || (*server.Tags)[0] != "go" {
		check("server's attributes", fmt.Errorf("%+v", server))
	}
	fip := must(floatingips.Create(ctx, network, floatingips.CreateOpts{FloatingNetworkID: public.ID, PortID: port.ID}).Extract())
	if fip.FixedIP != "10.77.0.50" {
		check("floating IP", fmt.Errorf("%+v", fip))
	}
	check("stop", servers.Stop(ctx, compute, server.ID).ExtractErr())
	check("server becomes SHUTOFF", servers.WaitForStatus(ctx, compute, server.ID, "SHUTOFF"))
	check("start", servers.Start(ctx, compute, server.ID).ExtractErr())
	check("server becomes ACTIVE again", servers.WaitForStatus(ctx, compute, server.ID, "ACTIVE"))
	check("reboot", servers.Reboot(ctx, compute, server.ID, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr())
	check("server becomes ACTIVE after a reboot", servers.WaitForStatus(ctx, compute, server.ID, "ACTIVE"))
	_, err = servers.ShowConsoleOutput(ctx, compute, server.ID, servers.ShowConsoleOutputOpts{Length: 10}).Extract()
	check("console", err)

	check("floating IP goes", floatingips.Delete(ctx, network, fip.ID).ExtractErr())
	check("server goes", servers.Delete(ctx, compute, server.ID).ExtractErr())
	for {
		_, err := servers.Get(ctx, compute, server.ID).Extract()
		if gophercloud.ResponseCodeIs(err, 404) {
			break
		}
		if ctx.Err() != nil {
			check("server is gone", ctx.Err())
		}
		time.Sleep(200 * time.Millisecond)
	}
	check("port goes", ports.Delete(ctx, network, port.ID).ExtractErr())
	_, err = routers.RemoveInterface(ctx, network, router.ID, routers.RemoveInterfaceOpts{SubnetID: subnet.ID}).Extract()
	check("router interface goes", err)
	check("router goes", routers.Delete(ctx, network, router.ID).ExtractErr())
	check("network goes", networks.Delete(ctx, network, net.ID).ExtractErr())
	check("group goes", groups.Delete(ctx, network, group.ID).ExtractErr())
	check("key goes", keypairs.Delete(ctx, compute, "gopher", keypairs.DeleteOpts{}).ExtractErr())
}

// rsaKey gives a public key in the form of OpenSSH.
func rsaKey() (string, error) {
	raw, err := os.ReadFile(os.Args[1])
	return string(raw), err
}
