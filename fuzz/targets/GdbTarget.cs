using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Accel.Qtest;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Protocols.Gdb;

namespace Gauntlet.Fuzz.Targets;

/// <summary>
/// A debugger's client that says anything to a machine that stands still. Each line of an input is the content of a packet, which gets its frame and checksum here; an
/// input that begins with a zero byte goes to the server as it is, frames and all.
/// </summary>
internal sealed class GdbTarget : IFuzzTarget
{
    private readonly PcBoard _board;
    private readonly GdbServer _server;
    private readonly Thread _machine;

    public GdbTarget()
    {
        _board = new PcBoard(
            new PcConfig { Accelerators = [new AcceleratorChoice(QtestAccelerator.AcceleratorName, new Dictionary<string, string>())], RamBytes = 2 << 20, StartUtc = DateTime.UnixEpoch },
            static _ => { });
        _board.Complete(new NoProgram());
        _server = new GdbServer(new NullChardev("gdb"), _board.Machine, isLongModeCpu: true, monitor: null);
        _machine = new Thread(() => _board.Machine.Run(paused: true)) { IsBackground = true, Name = "machine" };
        _machine.Start();
        _board.Machine.AwaitWishes();
    }

    public Programs.Grammar? Grammar => null;

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. ((string[])
        [
            "?\nqSupported:swbreak+\nHg1\ng\nm100,40\nP0=1122334455667788\np0\nqXfer:features:read:target.xml:0,100\nqfThreadInfo\nqsThreadInfo\nqC\nqAttached",
            "Z0,1000,1\nZ1,2000,1\nZ2,3000,8\nz0,1000,1\nz1,2000,1\nM100,4:00112233\nT1\nvCont?\nQStartNoAckMode\nqThreadExtraInfo,1\nD",
            "X100,4:abcd\nG00\nHc-1\nqRcmd,696e666f\nqemu.PhyMemMode\nqqemu.PhyMemMode\nQqemu.PhyMemMode:1\nqqemu.sstepbits\nqqemu.sstep\nQqemu.sstep=7",
        ]).Select(Encoding.Latin1.GetBytes),
        [0, .. "$?#3f+$g#67-\u0003}$m0,1#xx"u8],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        _server.OnConnected();
        if (input is [0, .. var raw])
        {
            // The end of the machine would be the end of the target.
            if (raw.IndexOf("k"u8) < 0 && raw.IndexOf("Kill"u8) < 0)
                _server.OnReceived(raw);
        }
        else
        {
            foreach (var range in input.Split((byte)'\n'))
                Send(input[range]);
        }
        _server.OnDisconnected();
    }

    public void Dispose()
    {
        _board.Machine.RequestQuit();
        _machine.Join();
        _board.Dispose();
    }

    private void Send(ReadOnlySpan<byte> content)
    {
        // Ends, and lets go on: what runs would make the next input's state another.
        if (content is [(byte)'k' or (byte)'c' or (byte)'s' or (byte)'C' or (byte)'S', ..] || content.StartsWith("vKill"u8) || content.StartsWith("vCont;"u8))
            return;
        byte sum = 0;
        foreach (var value in content)
            sum += value;
        _server.OnReceived("$"u8);
        _server.OnReceived(content);
        _server.OnReceived(Encoding.ASCII.GetBytes($"#{sum:x2}"));
    }
}
