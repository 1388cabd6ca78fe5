namespace Gauntlet.Fuzz.Qemu;

/// <summary>Devices that a campaign fuzzes when none are named: what a guest of a cloud or a desktop may be given, one of each family.</summary>
public static class QemuDeviceList
{
    /// <summary>Each with the machine that it is fuzzed on.</summary>
    public static IReadOnlyList<(string Device, string Machine)> Default { get; } =
    [
        .. ((string[])
        [
            "am53c974", "lsi53c895a", "lsi53c810", "megasas", "megasas-gen2", "mptsas1068", "pvscsi", "nvme", "ich9-ahci", "sdhci-pci",
            "virtio-blk-pci", "virtio-scsi-pci", "virtio-net-pci", "virtio-gpu-pci", "virtio-crypto-pci", "virtio-serial-pci", "virtio-balloon-pci", "virtio-rng-pci",
            "virtio-iommu-pci", "virtio-keyboard-pci", "virtio-vga", "virtio-9p-pci",
            "e1000", "e1000e", "i82550", "ne2k_pci", "pcnet", "rocker", "rtl8139", "tulip", "vmxnet3", "ctucan_pci", "kvaser_pci",
            "nec-usb-xhci", "qemu-xhci", "pci-ohci", "ich9-usb-ehci1", "piix3-usb-uhci",
            "ati-vga", "bochs-display", "cirrus-vga", "qxl", "VGA", "vmware-svga",
            "AC97", "ES1370", "intel-hda", "sb16", "cs4231a", "gus", "adlib",
            "edu", "i6300esb", "ib700", "pci-serial-4x", "tpci200", "ivshmem-plain", "isa-ipmi-kcs", "isa-ipmi-bt", "isa-applesmc", "pcie-root-port", "pci-bridge", "intel-iommu",
            "amd-iommu", "hpet", "acpi", "sm-tco", "fwcfg", "pci-conf", "acpi-erst", "pvpanic-pci", "rtc", "pit", "i8042-", "ioapic",
        ]).Select(device => (device, "q35")),
        ("fdc", "pc"),
        ("piix3-ide", "pc"),
        ("dma", "pc"),
    ];
}
