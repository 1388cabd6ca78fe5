using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Test;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.MachineTests;

public sealed class MachineTests
{
    [Fact]
    public async Task A_devices_exit_ends_the_machine_with_its_status_and_all_vcpus_parked()
    {
        using var rig = new MachineRig(cpus: 3);
        var end = rig.RunInBackground();
        rig.Vcpu(1).Then(io =>
        {
            io.WritePort(0xf4, 4, 38);
            return VcpuStop.Kicked;
        });
        Assert.Equal(new MachineEnd(MachineEndKind.Exit, 77), await end);
        Assert.All(rig.Accelerator.Vcpus, vcpu => Assert.False(vcpu.IsRunning));
    }

    [Fact]
    public async Task A_reset_resets_every_vcpu_and_boots_again()
    {
        using var rig = new MachineRig(cpus: 2);
        var end = rig.RunInBackground();
        rig.WaitUntilRunning();
        Assert.Equal(1, rig.Boots);
        rig.Machine.RequestReset();
        await rig.Heard(MachineEvent.Reset);
        rig.WaitUntilRunning();
        Assert.Equal(2, rig.Boots);
        Assert.All(rig.Accelerator.Vcpus, vcpu => Assert.Equal(2, vcpu.Resets));
        rig.Machine.RequestQuit();
        Assert.Equal(MachineEndKind.Quit, (await end).Kind);
    }

    [Fact]
    public async Task A_triple_fault_resets_and_without_reboot_ends_and_names_the_vcpu()
    {
        using var rebooting = new MachineRig(cpus: 1);
        var end = rebooting.RunInBackground();
        rebooting.Vcpu(0).Then(_ => VcpuStop.Shutdown);
        await rebooting.Heard(MachineEvent.Reset);
        rebooting.Machine.RequestQuit();
        await end;

        using var ending = new MachineRig(cpus: 2, noReboot: true);
        end = ending.RunInBackground();
        ending.Vcpu(1).Then(_ => VcpuStop.Shutdown);
        Assert.Equal(new MachineEnd(MachineEndKind.TripleFault, Vcpu: ending.Vcpu(1)), await end);
        Assert.Equal(1, ending.Boots);
    }

    [Fact]
    public async Task A_power_off_ends_or_with_no_shutdown_pauses_for_good()
    {
        using var ending = new MachineRig(cpus: 1);
        var end = ending.RunInBackground();
        ending.Machine.RequestPowerOff();
        Assert.Equal(MachineEndKind.PowerOff, (await end).Kind);

        using var staying = new MachineRig(cpus: 1, noShutdown: true);
        end = staying.RunInBackground();
        staying.Machine.RequestPowerOff();
        await staying.Heard(MachineEvent.Stop);
        Assert.Equal(MachineState.Shutdown, staying.Machine.State);
        Assert.False(staying.Machine.Resume());
        staying.Machine.RequestQuit();
        await end;
    }

    [Fact]
    public async Task While_paused_no_vcpu_runs_and_time_stands_still()
    {
        using var rig = new MachineRig(cpus: 2);
        var end = rig.RunInBackground();
        rig.WaitUntilRunning();
        rig.Machine.Pause();
        Assert.Equal(MachineState.Paused, rig.Machine.State);
        Assert.All(rig.Accelerator.Vcpus, vcpu => Assert.False(vcpu.IsRunning));
        var ran = false;
        rig.Vcpu(0).Then(_ =>
        {
            ran = true;
            return VcpuStop.Kicked;
        });
        Assert.Equal(rig.Machine.Clock.NowNs, rig.Machine.Clock.NowNs);
        Assert.False(ran);
        Assert.True(rig.Machine.Resume());
        rig.WaitUntilRunning();
        rig.Machine.RequestQuit();
        await end;
    }

    [Fact]
    public async Task A_halted_vcpu_is_paused_and_inspected_like_any_other()
    {
        using var rig = new MachineRig(cpus: 1);
        var end = rig.RunInBackground();
        rig.Vcpu(0).Then(_ => VcpuStop.Halted);
        var inspected = false;
        rig.Machine.Inspect(() => inspected = true);
        Assert.True(inspected);
        Assert.Equal(MachineState.Running, rig.Machine.State);
        rig.Machine.RequestQuit();
        await end;
    }

    [Fact]
    public async Task A_machine_started_paused_runs_nothing_until_it_is_resumed()
    {
        using var rig = new MachineRig(cpus: 1);
        var end = rig.RunInBackground(paused: true);
        await rig.Booted;
        Assert.Equal(MachineState.Prelaunch, rig.Machine.State);
        Assert.False(rig.Vcpu(0).IsRunning);
        Assert.True(rig.Machine.Resume());
        rig.WaitUntilRunning();
        rig.Machine.RequestQuit();
        await end;
    }

    [Fact]
    public async Task A_device_that_throws_ends_the_machine_with_the_exception()
    {
        using var rig = new MachineRig(cpus: 1);
        rig.Machine.Bus.MapPorts(new ThrowingDevice(), 0, 0x80);
        var end = rig.RunInBackground();
        rig.Vcpu(0).Then(io =>
        {
            io.ReadPort(0x80, 1);
            return VcpuStop.Kicked;
        });
        var ended = await end;
        Assert.Equal(MachineEndKind.InternalFault, ended.Kind);
        Assert.Equal("broken device", ended.Fault!.Message);
    }

    [Fact]
    public async Task A_vcpu_that_fails_or_throws_ends_the_machine_and_its_report_shows_registers_code_and_exits()
    {
        using var failing = new MachineRig(cpus: 1);
        var end = failing.RunInBackground();
        await failing.Booted;
        Assert.True(failing.Machine.Memory.TryWrite(0x1000, [0x0f, 0xa2, 0xf4]));
        failing.Vcpu(0).SetState(new X86State { Rip = 0x1000, Cs = new X86Segment(8, 0, uint.MaxValue, 0xc09b), Cr0 = 1 });
        failing.Vcpu(0).Failure = "it does not know this instruction";
        failing.Vcpu(0).Then(_ => VcpuStop.Failed);
        var ended = await end;
        Assert.Equal(MachineEndKind.VcpuFailure, ended.Kind);
        var report = FailureReport.Of(failing.Machine, ended.Vcpu!, ended.Vcpu!.Failure!);
        foreach (var part in (string[])["it does not know this instruction", "RIP=0000000000001000", "0fa2f4", "cpuid", "hlt", "port 0x80 out 1"])
            Assert.Contains(part, report, StringComparison.Ordinal);

        using var throwing = new MachineRig(cpus: 1);
        end = throwing.RunInBackground();
        throwing.Vcpu(0).Then(_ => throw new InvalidOperationException("accelerator"));
        Assert.Equal(MachineEndKind.InternalFault, (await end).Kind);
    }

    [Fact]
    public async Task Pausing_from_many_sides_while_the_guest_resets_itself_ends_where_it_should()
    {
        using var rig = new MachineRig(cpus: 4);
        var end = rig.RunInBackground();
        await rig.Booted;
        var disturbers = Enumerable.Range(0, 3).Select(side => Task.Run(() =>
        {
            for (var i = 0; i < 200; i++)
            {
                switch ((i + side) % 4)
                {
                    case 0:
                        rig.Machine.Pause();
                        break;
                    case 1:
                        rig.Machine.Resume();
                        break;
                    case 2:
                        rig.Machine.Inspect(() => Assert.All(rig.Accelerator.Vcpus, vcpu => Assert.False(vcpu.IsRunning)));
                        break;
                    default:
                        rig.Machine.RequestReset();
                        break;
                }
            }
        }));
        await Task.WhenAll(disturbers);
        rig.Machine.Resume();
        rig.WaitUntilRunning();
        rig.Machine.RequestExit(5);
        Assert.Equal(new MachineEnd(MachineEndKind.Exit, 5), await end);
    }

    private sealed class ThrowingDevice : IPortDevice
    {
        public string Name => "thrower";

        public IReadOnlyList<RegisterMap> Regions { get; } = [new("thrower", AddressSpace.Port, 1, [])];

        public uint ReadPort(int region, uint offset, int size) => throw new InvalidOperationException("broken device");

        public void WritePort(int region, uint offset, int size, uint value) { }
    }

    private sealed class MachineRig : IDisposable
    {
        private readonly TaskCompletionSource _booted = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<(MachineEvent Event, TaskCompletionSource Heard)> _awaited = [];
        private readonly HashSet<MachineEvent> _heard = [];

        public MachineRig(int cpus, bool noReboot = false, bool noShutdown = false)
        {
            var bus = new IoBus();
            Machine = new Machine(new GuestMemory([new GuestRam("ram", 0, 0x10000)]), bus, new HostClock(bus.DeviceLock, DateTime.UnixEpoch), Accelerator)
            {
                NoReboot = noReboot,
                NoShutdown = noShutdown,
            };
            bus.MapPorts(new IsaDebugExit(Machine, 4), 0, 0xf4);
            Machine.CreateVcpus<LocalApic>(cpus, "qemu64", _ => null);
            Machine.SetBoot(_ =>
            {
                Boots++;
                _booted.TrySetResult();
            });
            Machine.Happened += (what, _) =>
            {
                lock (_awaited)
                {
                    _heard.Add(what);
                    foreach (var (awaited, heard) in _awaited)
                    {
                        if (awaited == what)
                            heard.TrySetResult();
                    }
                }
            };
        }

        public ScriptedAccelerator Accelerator { get; } = new();

        public Machine Machine { get; }

        public int Boots { get; private set; }

        public Task Booted => _booted.Task;

        public ScriptedVcpu Vcpu(int index) => Accelerator.Vcpus[index];

        public Task<MachineEnd> RunInBackground(bool paused = false) => Task.Factory.StartNew(
            () => Machine.Run(paused), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        public Task Heard(MachineEvent what)
        {
            lock (_awaited)
            {
                if (_heard.Contains(what))
                    return Task.CompletedTask;
                var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _awaited.Add((what, heard));
                return heard.Task;
            }
        }

        public void WaitUntilRunning()
        {
            foreach (var vcpu in Accelerator.Vcpus)
                vcpu.WaitUntilRunning();
        }

        public void Dispose() => Machine.Dispose();
    }
}
