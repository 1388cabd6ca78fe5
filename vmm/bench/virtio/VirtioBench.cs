using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Gauntlet.Vmm.Bench.Virtio;

/// <summary>
/// Requests a second of a virtio disk and frames a second of a virtio network device, by the same guests on gvmm and QEMU, which take turns. The disk is a file that the host
/// has in its page cache; at the network's other end is a thread of this program that sends every frame back.
/// </summary>
internal static class VirtioBench
{
    private const int DefaultRounds = 3;
    private const int GuestPassed = 1;
    private const long DiskBytes = 64 << 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private sealed record Vmm(string Name, string Program, string Properties = "");

    public static int Run(string[] arguments)
    {
        var rounds = DefaultRounds;
        if (arguments.Length > 1 || (arguments.Length == 1 && (!int.TryParse(arguments[0], CultureInfo.InvariantCulture, out rounds) || rounds < 1)))
        {
            Console.Error.WriteLine("usage: vmm/bench/run virtio [ROUNDS]");
            return 2;
        }
        if (Programs.FindRoot() is not { } root)
        {
            Console.Error.WriteLine("virtio: run it inside the repository: the guests are in guests/prebuilt/x86_64");
            return 3;
        }
        if (Programs.Gvmm("virtio") is not { } gvmm)
            return 3;
        var folder = Directory.CreateTempSubdirectory("gauntlet-virtio-");
        try
        {
            var disk = Path.Combine(folder.FullName, "disk");
            File.WriteAllBytes(disk, new byte[DiskBytes]);
            // Where there are events, gvmm with them too.
            Vmm[] vmms = [new("gvmm", gvmm), new("qemu", "qemu-system-x86_64"), new("ioeventfd", gvmm, ",ioeventfd=on")];
            string[] accels = File.Exists("/dev/kvm") ? ["kvm", "tcg"] : ["tcg"];
            Console.WriteLine($"{"a second",-34} {"gvmm",10} {"qemu",10} {"ratio",7} {"ioeventfd",10}   medians of {rounds} rounds");
            foreach (var accel in accels)
            {
                var measured = accel == "kvm" ? vmms : vmms[..2];
                Measure(measured, rounds, (vmm, figures) => RunGuest(vmm, root, "virtio_blk", accel, figures,
                    "-drive", $"file={disk},format=raw,if=none,id=d0", "-device", "virtio-blk-pci,drive=d0" + vmm.Properties));
                Measure(measured, rounds, (vmm, figures) => RunNetwork(vmm, root, accel, Path.Combine(folder.FullName, "net"), figures));
            }
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Measure(Vmm[] vmms, int rounds, Func<Vmm, Dictionary<string, List<double>>, bool> run)
    {
        var figures = Array.ConvertAll(vmms, _ => new Dictionary<string, List<double>>());
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < vmms.Length; i++)
            {
                if (!run(vmms[i], figures[i]))
                    return;
            }
        }
        foreach (var name in figures[0].Keys)
        {
            var medians = Array.ConvertAll(figures, each => each.TryGetValue(name, out var values) ? Median(values) : double.NaN);
            var events = medians.Length > 2 ? string.Create(CultureInfo.InvariantCulture, $"{medians[2],10:F0}") : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-34} {medians[0],10:F0} {medians[1],10:F0} {medians[0] / medians[1],7:F2} {events}"));
        }
    }

    private static bool RunNetwork(Vmm vmm, string root, string accel, string path, Dictionary<string, List<double>> figures)
    {
        File.Delete(path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);
        var echo = new Thread(() => Echo(listener)) { IsBackground = true };
        echo.Start();
        return RunGuest(vmm, root, "virtio_net", accel, figures, "-netdev", $"stream,id=n0,addr.type=unix,addr.path={path}", "-device", "virtio-net-pci,netdev=n0" + vmm.Properties);
    }

    private static void Echo(Socket listener)
    {
        try
        {
            using var peer = listener.Accept();
            var buffer = new byte[64 * 1024];
            for (int count; (count = peer.Receive(buffer)) > 0;)
                peer.Send(buffer.AsSpan(0, count));
        }
        catch (SocketException)
        {
            // The machine ended with frames under way, or never came.
        }
    }

    // False when it cannot run this guest here; it says why.
    private static bool RunGuest(Vmm vmm, string root, string image, string accel, Dictionary<string, List<double>> figures, params string[] devices)
    {
        string[] arguments =
        [
            "-no-reboot", "-nodefaults", "-accel", accel, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-display", "none", "-serial", "stdio",
            "-kernel", Path.Combine(root, "guests/prebuilt/x86_64", image + ".elf"), "-append", "bench", .. devices,
        ];
        var start = new ProcessStartInfo(vmm.Program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var errors = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(Limit))
                process.Kill();
            process.WaitForExit();
            if (process.ExitCode != GuestPassed)
            {
                Console.Error.WriteLine($"{vmm.Name} {accel} {image}: left out, status {process.ExitCode}: {errors.Result.Split('\n')[0]}");
                return false;
            }
            foreach (var line in output.Result.Split('\n'))
            {
                if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is ["MEASURE:", var name, var value, ..])
                    Of(figures, $"{accel} {image} {name}").Add(double.Parse(value, CultureInfo.InvariantCulture));
            }
            return true;
        }
        catch (System.ComponentModel.Win32Exception why)
        {
            Console.Error.WriteLine($"{vmm.Name}: {why.Message}");
            return false;
        }
    }

    private static List<double> Of(Dictionary<string, List<double>> figures, string name)
    {
        if (!figures.TryGetValue(name, out var values))
            figures[name] = values = [];
        return values;
    }

    private static double Median(List<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
